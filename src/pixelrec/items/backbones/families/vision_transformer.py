"""Stem and blocks of vision transformers, as several families of transformers have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from torch import Tensor, nn

from pixelrec.items.backbones.first_token import BlockParts, FirstTokenBlock, PartsOf


@final
class PatchStem(nn.Module):
    """Patches → embeddings with positions → a layer norm, if the family has one: B, 3, S, S → B, T, W.

    Args:
        embeddings: of transformers; positions are interpolated for pictures of another than the native size.
        norm: applied to the embeddings.
    """

    def __init__(self, embeddings: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.norm = norm or nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self.embeddings(pixels, interpolate_pos_encoding=True))


@final
class Unmasked(nn.Module):
    """A layer of transformers in which every token attends to every other: B, T, W → B, T, W."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None)


def unmasked(layers: Iterable[nn.Module], class_token_of: PartsOf | None = None) -> list[nn.Module]:
    """A block per layer; the last one only for the class token, given a function that takes it apart."""
    *lower, last = layers
    top = Unmasked(last) if class_token_of is None else FirstTokenBlock(last, class_token_of)
    return [*map(Unmasked, lower), top]


def clip_parts(layer: Any) -> BlockParts:
    attention = layer.self_attn
    return BlockParts(
        norms=(layer.layer_norm1, layer.layer_norm2),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj),
        mlp=layer.mlp,
        heads=attention.num_heads,
        dropout=attention.dropout,
    )


def vit_parts(layer: Any) -> BlockParts:
    """Of a layer of ViT or ViT-MAE."""
    attention = layer.attention
    return BlockParts(
        norms=(layer.layernorm_before, layer.layernorm_after),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        mlp=layer.mlp,
        heads=attention.num_attention_heads,
        dropout=max(attention.attention_dropout, layer.dropout.p),
    )


def dinov2_parts(layer: Any) -> BlockParts:
    attention = layer.attention
    return BlockParts(
        norms=(layer.norm1, layer.norm2),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        mlp=layer.mlp,
        heads=attention.num_attention_heads,
        dropout=max(attention.attention_dropout, attention.config.drop_path_rate),
        scales=(layer.layer_scale1, layer.layer_scale2),
    )
