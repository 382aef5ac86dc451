"""MobileNetV2 (Sandler et al., arXiv 1801.04381)."""

from __future__ import annotations

from typing import Any, final

from torch import nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import HALF, PictureSizes
from pixelrec.items.backbones.pooling import MapToTokens, MeanToken, Pooling, pooled

MOMENTUM = 0.1  # torch's own


@final
class MobileNetV2(AbstractFamily):
    """A block is an inverted residual, a stage the blocks between two halvings of the picture.

    Checkpoints state the momentum of batch norms in TensorFlow's convention, as the weight of the old
    statistics: 0.997. Read as torch's it would use only the last batch; 0.003 is too slow for short runs.
    """

    # deviation: the momentum is torch's default.

    model = "MobileNetV2Model"
    model_types = ("mobilenet_v2",)
    poolings = ("tokens", "mean", "pooler")
    pooling = "pooler"
    mean, std = HALF, HALF
    attends = False

    def sizes(self, config: Any) -> PictureSizes:
        return PictureSizes(step=1, least=config.output_stride)

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = MOMENTUM
        head = pooled(nn.Sequential(model.conv_1x1, MapToTokens()), pooling, MeanToken())
        # Four resolutions, as in Table 2 of the paper: 56, 28, 14 and 7 positions of a picture of 224 pixels.
        return Anatomy(model.conv_stem, list(model.layer), head, stages=(2, 3, 7, 4))
