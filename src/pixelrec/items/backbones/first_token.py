"""The last transformer block of a network of which only the class token is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class BlockParts:
    """Modules of a pre-norm block: x + scale₁(attention(norm₁ x)), then the same with the MLP."""

    norms: tuple[nn.Module, nn.Module]
    attend: tuple[nn.Module, nn.Module, nn.Module, nn.Module]  # query, key, value, out
    mlp: nn.Module
    heads: int
    dropout: float  # the largest
    scales: tuple[nn.Module, nn.Module] = field(default_factory=lambda: (nn.Identity(), nn.Identity()))


PartsOf: TypeAlias = Callable[[Any], BlockParts]  # of a layer of transformers


@final
class FirstTokenBlock(nn.Module):
    """B, T, W → B, 1, W: the output of the layer at the class token.

    With one query per head, keys and values need not be computed: the query is mapped to the space of the
    tokens, and the weighted sum of tokens to that of the values. The same result with T times fewer products.
    """

    def __init__(self, layer: nn.Module, parts: PartsOf) -> None:
        super().__init__()
        self.layer = layer
        self._parts = parts

    def forward(self, x: Tensor) -> Tensor:
        parts = self._parts(self.layer)
        linear = all(type(m) is nn.Linear and m.bias is not None for m in parts.attend[1:3])
        if parts.dropout or not linear:  # keys and values with LoRA, or something is dropped
            return self.layer(x, attention_mask=None)[:, :1]
        middle = x[:, 0] + parts.scales[0](_attended(parts.norms[0](x), parts))
        return (middle + parts.scales[1](parts.mlp(parts.norms[1](middle))))[:, None]


def _attended(tokens: Tensor, parts: BlockParts) -> Tensor:
    """Attention of the first of T tokens: B, T, W → B, W."""
    project_query, key, value, out = parts.attend
    query = project_query(tokens[:, 0]).unflatten(-1, (parts.heads, -1))  # B, H, d
    query = query * query.shape[-1] ** -0.5
    probe = torch.einsum("bhd,hdw->bhw", query, _by_head(key.weight, parts))
    # The bias of the keys is the same for all tokens and changes nothing, but it needs a gradient.
    scores = probe @ tokens.mT.to(probe.dtype) + (query * _by_head(key.bias, parts)).sum(-1, keepdim=True)
    weights = F.softmax(scores, -1, dtype=tokens.dtype)
    seen = torch.einsum("bhw,hdw->bhd", weights @ tokens, _by_head(value.weight, parts))
    return out((seen + _by_head(value.bias, parts)).flatten(1))


def _by_head(parameter: Tensor | nn.Module, parts: BlockParts) -> Tensor:
    return parameter.unflatten(0, (parts.heads, -1))  # type: ignore[operator]
