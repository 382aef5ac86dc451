"""CuratorNet: a network over a pooled history (Messina et al., arXiv 2009.04426)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.hyperparameters import Expansion, Width
from pixelrec.numerics.precision import at_least_fp32
from pixelrec.users.user_model import AbstractUserModel, target_places


@final
class CuratorNet(AbstractUserModel):
    """Items through two SELU layers, [max ‖ mean] over the history through three; their dot product.

    Args:
        expansion: width of the first two of the three layers as a multiple of the width that follows.
        reduced: width of the two layers of items, and so of the vectors that are compared; by default D.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        expansion: Expansion = 1.0,
        reduced: Width | None = None,
    ) -> None:
        super().__init__()
        outer = reduced or width
        inner = max(1, int(expansion * outer))
        self.item = _selu_layers((width, outer, outer))
        self.profile = _selu_layers((2 * outer, inner, inner, outer))

    def refine(self, table: Tensor) -> Tensor:
        return self.item(table)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        real = events.history != 0  # B, L
        x = F.embedding(events.history, table)  # B, L, D
        # deviation: the published code pools over padding too, whose vector consists of biases.
        largest = x.masked_fill(~real.unsqueeze(2), -torch.inf).cummax(dim=1).values
        total = (at_least_fp32(x) * real.unsqueeze(2)).cumsum(dim=1)
        row, place = target_places(events).nonzero(as_tuple=True)  # M
        count = real.cumsum(dim=1)[row, place].unsqueeze(1)
        mean = (total[row, place] / count.clamp(min=1)).to(x.dtype)
        pooled = torch.cat([largest[row, place].masked_fill(count == 0, 0), mean], dim=1)  # M, 2D
        return self.profile(pooled).masked_fill(count == 0, 0)


def _selu_layers(widths: Sequence[int]) -> nn.Sequential:
    """Linear → SELU for each pair of neighbouring widths; Xavier uniform weights, default biases."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        linear = nn.Linear(before, after)
        nn.init.xavier_uniform_(linear.weight)
        layers += [linear, nn.SELU()]
    return nn.Sequential(*layers)
