"""CLIP's vision transformers (Radford et al., arXiv 2103.00020)."""

from __future__ import annotations

from typing import Any, final

from torch import nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.families.vision_transformer import PatchStem, clip_parts, unmasked
from pixelrec.items.backbones.picture_input import CLIP_MEAN, CLIP_STD
from pixelrec.items.backbones.pooling import FirstToken, Pooling, pooled


@final
class CLIP(AbstractFamily):
    """As in the published benchmark: every token, without the layer norm after the last block.

    That norm belongs to the class token, so it is part of the pooler only.
    """

    model = "CLIPVisionModel"
    model_types = ("clip", "clip_vision_model")
    poolings = ("tokens", "mean", "cls", "pooler")
    pooling = "tokens"
    mean, std = CLIP_MEAN, CLIP_STD

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        pooler = nn.Sequential(FirstToken(), model.post_layernorm)
        return Anatomy(
            stem=PatchStem(model.embeddings, model.pre_layrnorm),
            blocks=unmasked(model.encoder.layers, clip_parts if pooling in ("cls", "pooler") else None),
            head=pooled(nn.Identity(), pooling, pooler),
        )
