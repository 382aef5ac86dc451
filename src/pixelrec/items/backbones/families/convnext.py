"""ConvNeXt (Liu et al., arXiv 2201.03545)."""

from __future__ import annotations

from typing import Any, final

from torch import nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import IMAGENET_MEAN, IMAGENET_STD, PictureSizes
from pixelrec.items.backbones.pooling import MapToTokens, MeanToken, Pooling, pooled


@final
class ConvNeXt(AbstractFamily):
    """A stage starts with downsampling; the pooler is the normalised mean over positions."""

    model = "ConvNextModel"
    model_types = ("convnext",)
    poolings = ("tokens", "mean", "pooler")
    pooling = "pooler"
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    attends = False

    def sizes(self, config: Any) -> PictureSizes:
        step = config.patch_size * 2 ** (len(config.depths) - 1)
        return PictureSizes(step=step, least=step)

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        blocks: list[nn.Module] = []
        for stage in model.encoder.stages:
            first, *rest = stage.layers
            blocks += [nn.Sequential(*stage.downsampling_layer, first), *rest]
        pooler = nn.Sequential(MeanToken(), model.layernorm)
        head = pooled(MapToTokens(), pooling, pooler)
        return Anatomy(model.embeddings, blocks, head, stages=model.config.depths)
