"""Vision transformers (Dosovitskiy et al., arXiv 2010.11929)."""

from __future__ import annotations

from typing import Any, final

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.families.vision_transformer import PatchStem, unmasked, vit_parts
from pixelrec.items.backbones.picture_input import HALF
from pixelrec.items.backbones.pooling import Pooling, pooled


@final
class ViT(AbstractFamily):
    """The pooler, linear and tanh over the class token, is missing from checkpoints of classifiers."""

    model = "ViTModel"
    model_types = ("vit",)
    poolings = ("tokens", "mean", "cls", "pooler")
    pooling = "cls"
    mean, std = HALF, HALF

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        return Anatomy(
            stem=PatchStem(model.embeddings),
            blocks=unmasked(model.layers, vit_parts if pooling in ("cls", "pooler") else None),
            head=pooled(model.layernorm, pooling, model.pooler),
        )
