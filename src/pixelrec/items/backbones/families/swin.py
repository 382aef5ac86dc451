"""Swin transformers (Liu et al., arXiv 2103.14030)."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import IMAGENET_MEAN, IMAGENET_STD, PictureSizes
from pixelrec.items.backbones.pooling import MeanToken, Pooling, pooled


@final
class SwinStem(nn.Module):
    """Patches, row by row: B, 3, S, S → B, T, C."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, pixels: Tensor) -> Tensor:
        return self.embeddings(pixels, interpolate_pos_encoding=True)[0]


@final
class WindowBlock(nn.Module):
    """Attention within (shifted) windows; the last block of a stage also merges 2 × 2 patches.

    Args:
        layer: of transformers.
        merging: of transformers, or none.
        grid: patches along a side.
    """

    def __init__(self, layer: nn.Module, merging: nn.Module | None, grid: int) -> None:
        super().__init__()
        self.layer, self.merging, self.grid = layer, merging, grid

    def forward(self, x: Tensor) -> Tensor:
        """B, grid², C → the same, or B, grid² / 4, 2C after merging."""
        x = self.layer(x, (self.grid, self.grid))[0]
        return x if self.merging is None else self.merging(x, (self.grid, self.grid))


@final
class Swin(AbstractFamily):
    """A stage ends with merging, so the states between stages are the smaller ones."""

    model = "SwinModel"
    model_types = ("swin",)
    poolings = ("tokens", "mean", "pooler")
    pooling = "pooler"
    mean, std = IMAGENET_MEAN, IMAGENET_STD

    def sizes(self, config: Any) -> PictureSizes:
        # The table of relative positions belongs to whole windows, which must fit the coarsest grid.
        step = config.patch_size * 2 ** (len(config.depths) - 1)
        return PictureSizes(step=step, least=step * config.window_size)

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:
        grid = size // model.config.patch_size
        blocks = []
        for stage in model.encoder.layers:
            *lower, last = stage.blocks
            blocks += [WindowBlock(layer, None, grid) for layer in lower]
            blocks.append(WindowBlock(last, stage.downsample, grid))
            grid //= 2
        head = pooled(model.layernorm, pooling, MeanToken())
        return Anatomy(SwinStem(model.embeddings), blocks, head, stages=model.config.depths)
