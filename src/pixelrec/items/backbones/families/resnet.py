"""Residual networks (He et al., arXiv 1512.03385)."""

from __future__ import annotations

from typing import Any, final

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import IMAGENET_MEAN, IMAGENET_STD, PictureSizes
from pixelrec.items.backbones.pooling import MapToTokens, MeanToken, Pooling, pooled


@final
class ResNet(AbstractFamily):
    """A block is a residual unit; the pooler is the mean over positions."""

    model = "ResNetModel"
    model_types = ("resnet",)
    poolings = ("tokens", "mean", "pooler")
    pooling = "pooler"
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    attends = False

    def sizes(self, config: Any) -> PictureSizes:
        halvings = 1 + len(config.depths) + config.downsample_in_first_stage
        return PictureSizes(step=1, least=2**halvings)

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        blocks = [block for stage in model.encoder.stages for block in stage.layers]
        head = pooled(MapToTokens(), pooling, MeanToken())
        return Anatomy(model.embedder, blocks, head, stages=model.config.depths)
