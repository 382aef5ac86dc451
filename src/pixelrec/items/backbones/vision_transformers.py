"""The parts of vision transformers: ViT, ViT-MAE, CLIP, SigLIP, DINOv2, BEiT."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, final

import torch
from torch import Tensor, nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.first_token import BlockParts, FirstTokenBlock, PartsOf
from pixelrec.items.backbones.pooling import FirstToken, Pooling, pooled


@final
class PatchStem(nn.Module):
    """Patches → embeddings with positions → a layer norm, if the family has one: B, 3, S, S → B, T, W."""

    def __init__(self, embeddings: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.norm = norm or nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self.embeddings(pixels, interpolate_pos_encoding=True))


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
class Unmasked(nn.Module):
    """A layer of transformers in which every token attends to every other: B, T, W → B, T, W."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None)


@final
class BiasedBlock(nn.Module):
    """A layer with attention biased by relative positions, for pictures of `size`: B, T, W → B, T, W."""

    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.layer, self.size = layer, size

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None, resolution=(self.size, self.size))


def unmasked(layers: Iterable[nn.Module], class_token_of: PartsOf | None = None) -> list[nn.Module]:
    """A block per layer; the last one only for the class token, given a function that takes it apart."""
    *lower, last = layers
    top = Unmasked(last) if class_token_of is None else FirstTokenBlock(last, class_token_of)
    return [*map(Unmasked, lower), top]


def vit(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """Dosovitskiy et al., arXiv 2010.11929. Checkpoints of classifiers lack the pooler (linear and tanh)."""
    blocks = unmasked(model.layers, _vit_parts if pooling in ("cls", "pooler") else None)
    return Anatomy(PatchStem(model.embeddings), blocks, pooled(model.layernorm, pooling, model.pooler))


def vit_mae(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """The encoder of masked autoencoders (He et al., arXiv 2111.06377), without masking."""
    blocks = unmasked(model.layers, _vit_parts if pooling == "cls" else None)
    return Anatomy(UnmaskedStem(model.embeddings), blocks, pooled(model.layernorm, pooling, None))


def clip(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """Radford et al., arXiv 2103.00020. The norm after the last block belongs to the class token.

    So it is part of the pooler only; as in the published benchmark, tokens are without it.
    """
    pooler = nn.Sequential(FirstToken(), model.post_layernorm)
    blocks = unmasked(model.encoder.layers, _clip_parts if pooling in ("cls", "pooler") else None)
    stem = PatchStem(model.embeddings, model.pre_layrnorm)
    return Anatomy(stem, blocks, pooled(nn.Identity(), pooling, pooler))


def siglip(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """Zhai et al., arXiv 2303.15343. No class token; the pooler is attention with one learned query."""
    head = pooled(model.post_layernorm, pooling, model.head if model.use_head else None)
    return Anatomy(PatchStem(model.embeddings), unmasked(model.encoder.layers), head)


def dinov2(model: Any, pooling: Pooling, size: int) -> Anatomy:  # noqa: ARG001
    """Oquab et al., arXiv 2304.07193. Positions learned at 518 pixels are interpolated, to 224 by default."""
    model.embeddings.mask_token = None  # of pre-training; it would have no gradient
    blocks = unmasked(model.encoder.layer, _dinov2_parts if pooling in ("cls", "pooler") else None)
    return Anatomy(model.embeddings, blocks, pooled(model.layernorm, pooling, FirstToken()))


def beit(model: Any, pooling: Pooling, size: int) -> Anatomy:
    """Bao et al., arXiv 2106.08254. The pooler is the normalised mean over patches, or the class token."""
    model.embeddings.mask_token = None  # of pre-training; it would have no gradient
    shared = model.shared_position_bias
    if shared is not None:
        # A shared bias would lie on both sides of a boundary, and could be neither frozen nor trained: every
        # block gets a copy of its own, as BEiT's authors do.
        for i, layer in enumerate(model.layers):
            layer.relative_position_bias = deepcopy(shared) if i else shared
    blocks = [BiasedBlock(layer, size) for layer in model.layers]
    return Anatomy(model.embeddings, blocks, pooled(model.layernorm, pooling, model.pooler))


def _clip_parts(layer: Any) -> BlockParts:
    attention = layer.self_attn
    return BlockParts(
        norms=(layer.layer_norm1, layer.layer_norm2),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj),
        mlp=layer.mlp,
        heads=attention.num_heads,
        dropout=attention.dropout,
    )


def _vit_parts(layer: Any) -> BlockParts:
    """Of a layer of ViT or ViT-MAE."""
    attention = layer.attention
    return BlockParts(
        norms=(layer.layernorm_before, layer.layernorm_after),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        mlp=layer.mlp,
        heads=attention.num_attention_heads,
        dropout=max(attention.attention_dropout, layer.dropout.p),
    )


def _dinov2_parts(layer: Any) -> BlockParts:
    attention = layer.attention
    return BlockParts(
        norms=(layer.norm1, layer.norm2),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        mlp=layer.mlp,
        heads=attention.num_attention_heads,
        dropout=max(attention.attention_dropout, attention.config.drop_path_rate),
        scales=(layer.layer_scale1, layer.layer_scale2),
    )
