"""The parts of networks whose stages halve the picture: Swin, ConvNeXt, ResNet, MobileNetV2."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.picture_input import PictureSizes
from pixelrec.items.backbones.pooling import MapToTokens, MeanToken, Pooling, pooled

MOMENTUM = 0.1  # torch's own


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
    """Attention within (shifted) windows of a grid; the last block of a stage also merges 2 × 2 patches."""

    def __init__(self, layer: nn.Module, merging: nn.Module | None, grid: int) -> None:
        super().__init__()
        self.layer, self.merging, self.grid = layer, merging, grid

    def forward(self, x: Tensor) -> Tensor:
        """B, grid², C → the same, or B, grid² / 4, 2C after merging."""
        x = self.layer(x, (self.grid, self.grid))[0]
        return x if self.merging is None else self.merging(x, (self.grid, self.grid))


def swin(model: Any, pooling: Pooling, size: int) -> Anatomy:
    """Liu et al., arXiv 2103.14030. A stage ends with merging: states between stages are the smaller ones."""
    grid = size // model.config.patch_size
    blocks = []
    for stage in model.encoder.layers:
        *lower, last = stage.blocks
        blocks += [WindowBlock(layer, None, grid) for layer in lower]
        blocks.append(WindowBlock(last, stage.downsample, grid))
        grid //= 2
    head = pooled(model.layernorm, pooling, MeanToken())
    return Anatomy(SwinStem(model.embeddings), blocks, head, stages=model.config.depths)


def swin_sizes(config: Any) -> PictureSizes:
    # The table of relative positions belongs to whole windows, which must fit the coarsest grid.
    step = config.patch_size * 2 ** (len(config.depths) - 1)
    return PictureSizes(step=step, least=step * config.window_size)


def convnext(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """Liu et al., arXiv 2201.03545. A stage starts with downsampling; the pooler is the normalised mean."""
    blocks: list[nn.Module] = []
    for stage in model.encoder.stages:
        first, *rest = stage.layers
        blocks += [nn.Sequential(*stage.downsampling_layer, first), *rest]
    head = pooled(MapToTokens(), pooling, nn.Sequential(MeanToken(), model.layernorm))
    return Anatomy(model.embeddings, blocks, head, stages=model.config.depths)


def convnext_sizes(config: Any) -> PictureSizes:
    step = config.patch_size * 2 ** (len(config.depths) - 1)
    return PictureSizes(step=step, least=step)


def resnet(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """He et al., arXiv 1512.03385. A block is a residual unit; the pooler is the mean over positions."""
    blocks = [block for stage in model.encoder.stages for block in stage.layers]
    head = pooled(MapToTokens(), pooling, MeanToken())
    return Anatomy(model.embedder, blocks, head, stages=model.config.depths)


def resnet_sizes(config: Any) -> PictureSizes:
    halvings = 1 + len(config.depths) + config.downsample_in_first_stage
    return PictureSizes(step=1, least=2**halvings)


def mobilenet_v2(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """Sandler et al., arXiv 1801.04381. A block is an inverted residual.

    Checkpoints state the momentum of batch norms in TensorFlow's convention, as the weight of the old
    statistics: 0.997. Read as torch's it would use only the last batch; 0.003 is too slow for short runs.
    """
    # deviation: the momentum is torch's default.
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    head = pooled(nn.Sequential(model.conv_1x1, MapToTokens()), pooling, MeanToken())
    # Four resolutions, as in Table 2 of the paper: 56, 28, 14 and 7 positions of a picture of 224 pixels.
    return Anatomy(model.conv_stem, list(model.layer), head, stages=(2, 3, 7, 4))
