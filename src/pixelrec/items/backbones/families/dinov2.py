"""DINOv2 (Oquab et al., arXiv 2304.07193)."""

from __future__ import annotations

from typing import Any, final

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.families.vision_transformer import dinov2_parts, unmasked
from pixelrec.items.backbones.picture_input import IMAGENET_MEAN, IMAGENET_STD
from pixelrec.items.backbones.pooling import FirstToken, Pooling, pooled


@final
class DINOv2(AbstractFamily):
    """Positions learned at 518 pixels are interpolated, to 224 by default."""

    model = "Dinov2Model"
    model_types = ("dinov2",)
    poolings = ("tokens", "mean", "cls", "pooler")
    pooling = "pooler"
    mean, std = IMAGENET_MEAN, IMAGENET_STD

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        model.embeddings.mask_token = None  # of pre-training; it would have no gradient
        return Anatomy(
            stem=model.embeddings,
            blocks=unmasked(model.encoder.layer, dinov2_parts if pooling in ("cls", "pooler") else None),
            head=pooled(model.layernorm, pooling, FirstToken()),
        )
