"""Post-norm transformer layers over short histories, as in BERT (arXiv 1810.04805)."""

from __future__ import annotations

from functools import partial
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.blocks.attention import attend
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing

EPSILON = 1e-12  # of every layer norm
BLOCKED = -1e9  # added to the scores of masked positions


@final
class Attention(nn.Module):
    """Multi-head self-attention → dense → dropout → residual → layer norm."""

    def __init__(self, width: int, heads: int, attention_dropout: float, hidden_dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.weight_dropout = Dropout(attention_dropout)
        self.dense = nn.Linear(width, width)
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, mask: Tensor, packing: Packing) -> Tensor:
        """`x` is P, D, packed; `mask` is B, 1, L or 1, L, added to the attention scores."""
        return self._add(x, packing.pack(self._mix(x, mask, packing, slice(None))))

    def at_targets(self, x: Tensor, mask: Tensor, packing: Packing, target_mask: Tensor | None) -> Tensor:
        """As `forward`, M, D, only for the places of `target_mask` (B, L), or the last of each history."""
        before = packing.pick(x, target_mask)
        if target_mask is None:
            return self._add(before, self._mix(x, mask, packing, slice(-1, None)).squeeze(1))
        return self._add(before, Packing.of(target_mask).pack(self._mix(x, mask, packing, slice(None))))

    def _mix(self, x: Tensor, mask: Tensor, packing: Packing, queries: slice) -> Tensor:
        """B, T, D: attention of some positions to all."""
        whole = packing.unpack(self.query_key_value(x))  # B, L, 3D
        q, k, v = whole.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = attend(q[:, :, queries], k, v, mask[:, :, queries], self.weight_dropout)
        return attended.transpose(1, 2).flatten(2)

    def _add(self, x: Tensor, mixed: Tensor) -> Tensor:
        return self.norm(x + self.dropout(self.dense(mixed)))


@final
class FeedForward(nn.Module):
    """Linear → exact GELU → linear → dropout → residual → layer norm."""

    def __init__(self, width: int, inner: int, hidden_dropout: float) -> None:
        super().__init__()
        self.into = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.dropout(self.out(F.gelu(self.into(x)))))


@final
class TransformerLayer(nn.Module):
    """Attention, then feed-forward."""

    def __init__(self, attention: Attention, feed_forward: FeedForward) -> None:
        super().__init__()
        self.attention, self.feed_forward = attention, feed_forward

    def forward(self, x: Tensor, mask: Tensor, packing: Packing) -> Tensor:
        return self.feed_forward(self.attention(x, mask, packing))

    def at_targets(self, x: Tensor, mask: Tensor, packing: Packing, target_mask: Tensor | None) -> Tensor:
        """M, D: at the target places, or at the last place of each history."""
        return self.feed_forward(self.attention.at_targets(x, mask, packing, target_mask))


@final
class Transformer(nn.Module):
    """`layers` of attention and feed-forward; all linear weights N(0, `init_std`), biases 0."""

    def __init__(
        self,
        width: int,
        *,
        layers: int,
        heads: int,
        inner: int,
        attention_dropout: float,
        hidden_dropout: float,
        init_std: float = 0.02,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(
                Attention(width, heads, attention_dropout, hidden_dropout),
                FeedForward(width, inner, hidden_dropout),
            )
            for _ in range(layers)
        )
        self.apply(partial(normal_linear, std=init_std))

    def forward(self, x: Tensor, visible: Tensor, packing: Packing, target_mask: Tensor | None) -> Tensor:
        """The vectors (M, D) of the places of `target_mask` (B, L); the last layer computes no others.

        Without a target mask, a vector for the last place of each history, zero if there is no event.

        x: P, D, packed. visible: B, L, L, or B, 1, L: may position i attend to position j?
        """
        mask = torch.zeros(visible.shape, device=x.device).masked_fill(~visible, BLOCKED).unsqueeze(1)
        *lower, last = self.layers
        for layer in lower:
            x = layer(x, mask, packing)
        vectors = cast(TransformerLayer, last).at_targets(x, mask, packing, target_mask)
        return vectors if target_mask is not None else vectors * packing.pick(torch.ones_like(x[:, :1]), None)


def normal_linear(module: nn.Module, std: float = 0.02) -> None:
    """Linear weights N(0, `std`), biases 0; BERT has 0.02."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def causal(real: Tensor) -> Tensor:
    """B, L, L: a position sees the real events (B, L) up to itself."""
    L = real.shape[1]
    return real[:, None, :] & torch.ones(L, L, dtype=torch.bool, device=real.device).tril()
