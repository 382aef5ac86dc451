"""NextItNet: dilated causal convolutions over the history (Yuan et al., arXiv 1808.05163)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.errors import RecipeError
from pixelrec.hyperparameters import DropoutRate, Layers
from pixelrec.users.user_model import AbstractUserModel

EPSILON = 1e-8  # of every layer norm
MAX_DILATION = 1_000_000  # longer than any history

Followers = Mapping[int, Tensor]
"""For each distance d: the numbers, among P packed events, of those with an event d places earlier."""


@final
class NextItNet(AbstractUserModel):
    """Item → dropout → residual blocks of two causal convolutions; a vector after every event.

    Args:
        blocks: repetitions of the sequence of dilations.
        kernel: events seen by a convolution.
        dilations: dilations of successive residual blocks; the second convolution of each has twice as much.
        dropout: dropout on the input items.
        norm: layer norm on the input items and on the output vectors; the published model has none.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        blocks: Layers = 3,
        kernel: Annotated[int, Interval(ge=1, le=1000)] = 3,
        dilations: tuple[int, ...] = (1, 4),
        dropout: DropoutRate = 0.0,
        norm: bool = False,
    ) -> None:
        super().__init__()
        if not dilations or not all(1 <= dilation <= MAX_DILATION for dilation in dilations):
            raise RecipeError(
                f"users.dilations is {list(dilations)}; expected distances from 1 to {MAX_DILATION:,}, "
                "such as [1, 4]"
            )
        self.dropout = Dropout(dropout)
        self.norm_in = nn.LayerNorm(width) if norm else nn.Identity()
        self.norm_out = nn.LayerNorm(width) if norm else nn.Identity()
        self.blocks = nn.ModuleList(
            ResidualBlock(width, kernel, dilation) for _ in range(blocks) for dilation in dilations
        )
        self.distances = {k * d * twice for k in range(1, kernel) for d in dilations for twice in (1, 2)}

    def forward(self, table: Tensor, events: Events) -> Tensor:
        # deviation: padding stays zero; the published convolutions add their bias there, which leaks into the
        # first events of short histories.
        packing = Packing.of(events.history != 0)
        known = followers(packing, self.distances)
        x = self.dropout(self.norm_in(F.embedding(packing.pack(events.history), table)))  # P, D
        for block in self.blocks:
            x = block(x, known)
        return packing.pick(self.norm_out(x), events.target_mask)


def followers(packing: Packing, distances: Iterable[int]) -> Followers:
    before = packing.before
    return {distance: (before >= distance).nonzero().squeeze(1) for distance in distances}


@final
class ResidualBlock(nn.Module):
    """Causal convolution → layer norm → ReLU, twice, the second with twice the dilation; plus the input."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.near = CausalConvolution(width, kernel, dilation)
        self.near_norm = nn.LayerNorm(width, eps=EPSILON)
        self.far = CausalConvolution(width, kernel, 2 * dilation)
        self.far_norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, known: Followers) -> Tensor:
        """`x` is P, D, packed."""
        y = F.relu(self.near_norm(self.near(x, known)))
        return x + F.relu(self.far_norm(self.far(y, known)))


@final
class CausalConvolution(nn.Module):
    """yᵢ = b + Σₖ xᵢ₋ₖ·dilation Wₖ for k from 0 below `kernel`; x is zero before the history.

    Initial weights and bias are uniform within ±1/√(kernel · D), as in PyTorch's convolutions. On a CPU, a
    product per k over the events with a predecessor is faster than a convolution over padded rows.
    """

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        bound = 1 / sqrt(kernel * width)
        self.weight = nn.Parameter(torch.empty(kernel, width, width).uniform_(-bound, bound))  # k, in, out
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
        self.distances = [k * dilation for k in range(1, kernel)]

    def forward(self, x: Tensor, known: Followers) -> Tensor:
        """`x` is P, D, packed; `known` covers all of `distances`."""
        y = torch.addmm(self.bias, x, self.weight[0])
        for weight, distance in zip(self.weight[1:], self.distances, strict=True):
            rows = known[distance]
            y = y.index_add(0, rows, x.index_select(0, rows - distance) @ weight)
        return y
