"""The encoder of masked autoencoders (He et al., arXiv 2111.06377), without masking."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.families.vision_transformer import unmasked, vit_parts
from pixelrec.items.backbones.picture_input import IMAGENET_MEAN, IMAGENET_STD
from pixelrec.items.backbones.pooling import Pooling, pooled


@final
class UnmaskedStem(nn.Module):
    """The class token and all patches in order, with their fixed positions: B, T, W."""

    def __init__(self, embeddings: Any) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.embeddings.patch_embeddings(pixels)  # B, T − 1, W
        first = self.embeddings.cls_token.expand(len(pixels), -1, -1)
        tokens = torch.cat([first, patches], dim=1)
        return tokens + self.embeddings.interpolate_pos_encoding(tokens, *pixels.shape[2:])


@final
class ViTMAE(AbstractFamily):
    """Without masking, features are deterministic."""

    model = "ViTMAEModel"
    model_types = ("vit_mae",)
    poolings = ("tokens", "mean", "cls")
    pooling = "mean"
    mean, std = IMAGENET_MEAN, IMAGENET_STD

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG002
        return Anatomy(
            stem=UnmaskedStem(model.embeddings),
            blocks=unmasked(model.layers, vit_parts if pooling == "cls" else None),
            head=pooled(model.layernorm, pooling, None),
        )
