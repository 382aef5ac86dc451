"""SigLIP's vision transformers (Zhai et al., arXiv 2303.15343)."""

from __future__ import annotations

from typing import Any, final

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.families.vision_transformer import PatchStem, unmasked
from pixelrec.items.backbones.picture_input import HALF
from pixelrec.items.backbones.pooling import Pooling, pooled


@final
class SigLIP(AbstractFamily):
    """No class token; the pooler is attention with one learned query."""

    model = "SiglipVisionModel"
    model_types = ("siglip", "siglip_vision_model")
    poolings = ("tokens", "mean", "pooler")
    pooling = "pooler"
    mean, std = HALF, HALF

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        return Anatomy(
            stem=PatchStem(model.embeddings),
            blocks=unmasked(model.encoder.layers),
            head=pooled(model.post_layernorm, pooling, model.head if model.use_head else None),
        )
