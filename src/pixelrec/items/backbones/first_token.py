"""The last block of a network of which only the class token is read on."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.items.backbones.prenorm import PartsOf, PreNormParts, activated


@final
class FirstTokenBlock(nn.Module):
    """B, T, W → B, 1, W: what the layer makes of the class token.

    With one query a head, keys and values need not be computed: the query is brought into the space of the
    tokens, and so are the weighted tokens into that of the values. T times fewer products, the same result.

    Args:
        layer: of transformers.
        parts: what it is made of.
    """

    def __init__(self, layer: nn.Module, parts: PartsOf) -> None:
        super().__init__()
        self.layer = layer
        self._parts = parts

    def forward(self, x: Tensor) -> Tensor:
        parts = self._parts(self.layer)
        if parts is None or not parts.plain:
            return self.layer(x, attention_mask=None)[:, :1]
        first, second = parts.scales or (1.0, 1.0)
        middle = x[:, 0] + first * _attended(parts.norms[0](x), parts)
        widen, narrow = parts.inner
        inner = activated(widen(parts.norms[1](middle)), parts.activation)
        return (middle + second * narrow(inner))[:, None]


def _attended(tokens: Tensor, parts: PreNormParts) -> Tensor:
    """What the first of T tokens sees: B, T, W → B, W."""
    query, key, value, out = parts.attend
    asked = query(tokens[:, 0]).unflatten(-1, (parts.heads, -1))  # B, H, d
    asked = asked * asked.shape[-1] ** -0.5
    probe = torch.einsum("bhd,hdw->bhw", asked, _by_head(key.weight, parts))
    # The bias of the keys is the same for all tokens and changes nothing, but without it it had no gradient.
    scores = probe @ tokens.mT.to(probe.dtype) + (asked * _by_head(key.bias, parts)).sum(-1, keepdim=True)
    weights = F.softmax(scores, -1, dtype=tokens.dtype)
    seen = torch.einsum("bhw,hdw->bhd", weights @ tokens, _by_head(value.weight, parts))
    return out((seen + _by_head(value.bias, parts)).flatten(1))


def _by_head(parameter: Tensor | nn.Module, parts: PreNormParts) -> Tensor:
    return parameter.unflatten(0, (parts.heads, -1))  # type: ignore[operator]
