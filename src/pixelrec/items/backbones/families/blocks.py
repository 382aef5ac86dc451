"""How several families call a block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

import torch
from torch import Tensor, nn

from pixelrec.items.backbones.first_token import FirstTokenBlock
from pixelrec.items.backbones.prenorm import PartsOf, PreNormParts
from pixelrec.items.backbones.prenorm_function import attend_and_transform


@final
class Unmasked(nn.Module):
    """A transformer block in which every token sees every other: B, T, W → B, T, W.

    On a CPU, where transformers would multiply and normalise step by step, a block that `parts` can take
    apart computes the same in fewer passes.

    Args:
        layer: of transformers.
        parts: what it is made of.
    """

    def __init__(self, layer: nn.Module, parts: PartsOf) -> None:
        super().__init__()
        self.layer = layer
        self._parts = parts

    def forward(self, x: Tensor) -> Tensor:
        parts = self._parts(self.layer) if x.device.type == "cpu" else None
        if parts is None or not parts.plain or parts.kernel != "eager":
            return self.layer(x, attention_mask=None)
        if any(tensor.dtype != x.dtype for tensor in parts.tensors()):
            return self.layer(x, attention_mask=None)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        with torch.autocast("cpu", enabled=False):
            return attend_and_transform(x, parts, dtype)


def unmasked(layers: Iterable[nn.Module], parts: PartsOf, *, first_only: bool = False) -> list[nn.Module]:
    """Blocks of layers; of the last one perhaps only the class token, where nothing else is read."""
    blocks: list[nn.Module] = [Unmasked(layer, parts) for layer in layers]
    if first_only:
        blocks[-1] = FirstTokenBlock(blocks[-1].layer, parts)  # type: ignore[arg-type]
    return blocks


def clip_parts(layer: Any) -> PreNormParts:
    """Of layers of CLIP and SigLIP."""
    attention, inner = layer.self_attn, layer.mlp
    return PreNormParts(
        norms=(layer.layer_norm1, layer.layer_norm2),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj),
        inner=(inner.fc1, inner.fc2),
        heads=attention.num_heads,
        activation=attention.config.hidden_act,
        kernel=attention.config._attn_implementation,
        dropout=attention.dropout,
    )


def vit_parts(layer: Any) -> PreNormParts:
    """Of layers of ViT and ViT-MAE."""
    attention, inner = layer.attention, layer.mlp
    return PreNormParts(
        norms=(layer.layernorm_before, layer.layernorm_after),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        inner=(inner.fc1, inner.fc2),
        heads=attention.num_attention_heads,
        activation=attention.config.hidden_act,
        kernel=attention.config._attn_implementation,
        dropout=max(attention.attention_dropout, layer.dropout.p),
    )


def dinov2_parts(layer: Any) -> PreNormParts | None:
    """Of layers of DINOv2; none with a gated inner layer."""
    attention, inner = layer.attention, layer.mlp
    if attention.config.use_swiglu_ffn:
        return None
    return PreNormParts(
        norms=(layer.norm1, layer.norm2),
        attend=(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        inner=(inner.fc1, inner.fc2),
        heads=attention.num_attention_heads,
        activation=attention.config.hidden_act,
        kernel=attention.config._attn_implementation,
        dropout=max(attention.attention_dropout, attention.config.drop_path_rate),
        scales=(layer.layer_scale1.lambda1, layer.layer_scale2.lambda1),
    )
