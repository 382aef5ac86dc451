"""HSTU: gated pointwise attention with time differences (Zhai et al., arXiv 2402.17152)."""

from __future__ import annotations

from math import sqrt
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.attention import demand_whole_heads
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.hyperparameters import DropoutRate, Heads, Layers
from pixelrec.users.user_model import AbstractUserModel

EPSILON = 1e-6  # of every layer norm


@final
class HSTU(AbstractUserModel):
    """√D · item + position → dropout → layers of gated attention; a vector after every event.

    Initial weights of the layers and ε of the layer norms, which the paper does not state, are those of its
    code.

    Args:
        layers: layers of gated attention.
        heads: attention heads; a divisor of D.
        dropout: dropout on the input and on the output of each layer.
        time_buckets: number of buckets of time differences, one per power of two in seconds.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,
        *,
        layers: Layers = 2,
        heads: Heads = 2,
        dropout: DropoutRate = 0.2,
        time_buckets: Annotated[int, Interval(ge=1, le=1000)] = 32,
    ) -> None:
        super().__init__()
        demand_whole_heads(width, heads)
        self.length, self.time_buckets = spec.length, time_buckets
        # deviation: the published code initialises positions with 1 / √D and counts from the oldest event.
        self.positions = nn.Parameter(torch.empty(spec.length, width).normal_(std=0.02))
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            HSTULayer(width, heads, dropout, spec.length, time_buckets) for _ in range(layers)
        )

    def forward(self, table: Tensor, events: Events) -> Tensor:
        packing = Packing.of(events.history != 0)
        L = events.history.shape[1]
        # Positions count from the latest event: padding on the left changes nothing.
        place = packing.columns + self.length - L
        x = F.embedding(packing.pack(events.history), table) * sqrt(table.shape[1])  # P, D
        x = self.dropout(x + F.embedding(place, self.positions))
        buckets = powers_of_two(events.times, self.time_buckets)
        for layer in self.layers:
            x = layer(x, buckets, packing)
        return packing.pick(x, events.target_mask)


def powers_of_two(times: Tensor, buckets: int) -> Tensor:
    """The bucket of timeᵢ − timeⱼ for events i and j of times (B, L): B, L, L.

    0 below a second, then k from 2ᵏ⁻¹ to below 2ᵏ seconds; longer differences go to the last bucket.
    """
    seconds = (times[:, :, None] - times[:, None, :]).clamp(min=0)
    # the exponent of a float32 is exact on every device, a logarithm would be rounded
    return torch.frexp(seconds.float()).exponent.clamp(max=buckets - 1)


@final
class HSTULayer(nn.Module):
    """x + W(norm(A v) · u), where u, v, q, k = SiLU(W′ norm(x)) and Aᵢⱼ = SiLU(qᵢ·kⱼ + biasᵢⱼ) / L for j ≤ i.

    The bias is the sum of a learned value per distance i − j and one per bucket of the time between i and j.
    Equations 1 to 3 of the paper; W′ and the biases start as N(0, 0.02), W as Xavier uniform.
    """

    def __init__(self, width: int, heads: int, dropout: float, length: int, time_buckets: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 4 * width, bias=False)
        self.distances = nn.Parameter(torch.empty(length).normal_(std=0.02))
        self.seconds = nn.Parameter(torch.empty(time_buckets).normal_(std=0.02))
        self.dropout = Dropout(dropout)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.into.weight, std=0.02)
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, buckets: Tensor, packing: Packing) -> Tensor:
        """`x` is P, D, packed; `buckets` is B, L, L."""
        mixed = F.silu(self.into(_normed(x)))
        gate, rest = mixed.split([x.shape[1], 3 * x.shape[1]], dim=1)
        v, q, k = packing.unpack(rest).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # B, H, L, d
        # 1 / L of the longest history for past events, 0 for future ones. Padding has zero values.
        scale = torch.ones(buckets.shape[1:], device=buckets.device).tril() / len(self.distances)
        # Biases above the diagonal and of padding have no effect.
        place = torch.arange(buckets.shape[1], device=buckets.device)
        distance = self.distances[(place[:, None] - place).clamp(min=0)]
        # deviation: the time between the two events; the published code uses that to the target event.
        seconds = self.seconds.index_select(0, buckets.flatten()).view(buckets.shape)
        bias = (seconds + distance).unsqueeze(1)  # B, 1, L, L
        attention = F.silu(q @ k.transpose(-1, -2) + bias) * scale  # B, H, L, L
        attended = packing.pack((attention @ v).transpose(1, 2).flatten(2))  # P, D
        return x + self.out(self.dropout(_normed(attended) * gate))


def _normed(x: Tensor) -> Tensor:
    """Layer norm without weights: a linear layer follows."""
    return F.layer_norm(x, x.shape[-1:], eps=EPSILON)
