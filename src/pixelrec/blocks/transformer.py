"""Post-norm transformer layers over short histories, as BERT arranges them (arXiv 1810.04805)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing

EPSILON = 1e-12  # of every layer norm
BLOCKED = -1e9  # added to the score of what must not be looked at


@final
class Attention(nn.Module):
    """Multi-head self-attention → dense → dropout → residual → layer norm.

    Args:
        width: D.
        heads: attention heads; they divide D.
        attention_dropout: on the attention weights.
        hidden_dropout: on the output.
    """

    def __init__(self, width: int, heads: int, attention_dropout: float, hidden_dropout: float) -> None:
        super().__init__()
        self.heads, self.attention_dropout = heads, attention_dropout
        self.query_key_value = nn.Linear(width, 3 * width)
        self.dense = nn.Linear(width, width)
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, mask: Tensor, packing: Packing) -> Tensor:
        """`x` is P, D, packed; `mask` is B, 1, L, L, added to the attention scores."""
        whole = packing.unpack(self.query_key_value(x))  # B, L, 3D
        q, k, v = whole.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.attention_dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype), dropout_p=dropout)
        mixed = self.dense(packing.pack(attended.transpose(1, 2).flatten(2)))
        return self.norm(x + self.dropout(mixed))


@final
class FeedForward(nn.Module):
    """Linear → exact GELU → linear → dropout → residual → layer norm.

    Args:
        width: D.
        inner: width of the layer between.
        hidden_dropout: on the output.
    """

    def __init__(self, width: int, inner: int, hidden_dropout: float) -> None:
        super().__init__()
        self.into = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.dropout(self.out(F.gelu(self.into(x)))))


@final
class Layer(nn.Module):
    """Attention, then feed-forward."""

    def __init__(self, attention: Attention, feed_forward: FeedForward) -> None:
        super().__init__()
        self.attention, self.feed_forward = attention, feed_forward

    def forward(self, x: Tensor, mask: Tensor, packing: Packing) -> Tensor:
        return self.feed_forward(self.attention(x, mask, packing))


@final
class Transformer(nn.Module):
    """`layers` of attention and feed-forward; all linear weights N(0, 0.02), biases 0."""

    def __init__(
        self,
        width: int,
        *,
        layers: int,
        heads: int,
        inner: int,
        attention_dropout: float,
        hidden_dropout: float,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(
                Attention(width, heads, attention_dropout, hidden_dropout),
                FeedForward(width, inner, hidden_dropout),
            )
            for _ in range(layers)
        )
        self.apply(normal_linear)

    def forward(self, x: Tensor, visible: Tensor, packing: Packing) -> Tensor:
        """`x` is P, D, packed; `visible` is B, L, L: may position i look at position j?"""
        mask = torch.zeros(visible.shape, device=x.device).masked_fill(~visible, BLOCKED).unsqueeze(1)
        for layer in self.layers:
            x = layer(x, mask, packing)
        return x


def normal_linear(module: nn.Module) -> None:
    """Linear weights N(0, 0.02), biases 0, as BERT starts."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def causal(real: Tensor) -> Tensor:
    """B, L, L: a position sees the real events (B, L) up to itself."""
    L = real.shape[1]
    return real[:, None, :] & torch.ones(L, L, dtype=torch.bool, device=real.device).tril()
