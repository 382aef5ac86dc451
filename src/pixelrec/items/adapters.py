"""A side network over the depths of a frozen picture network, after IISAN (Fu et al., arXiv 2404.02059)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class Adapters(nn.Module):
    """From the lowest depth up: h ← h + up(relu(down(g · h + (1 − g) · enter(row of the depth)))).

    h starts as the projection of the whole row, to which the adapters, zero at first, are corrections.

    Args:
        widths: numbers of the row from each depth.
        width: D, of h.
        inner: width of the bottleneck between down and up.
    """

    def __init__(self, widths: Sequence[int], width: int, inner: int) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.enter = nn.ModuleList(nn.Linear(each, width, bias=False) for each in widths)
        self.down = nn.ModuleList(nn.Linear(width, inner) for _ in widths)
        self.up = nn.ModuleList(nn.Linear(inner, width) for _ in widths)
        self.gates = nn.Parameter(torch.zeros(len(self.widths)))  # g = 1/2
        for up in self.up:
            nn.init.zeros_(up.weight)  # type: ignore[arg-type]
            nn.init.zeros_(up.bias)  # type: ignore[arg-type]

    def forward(self, rows: Tensor, h: Tensor) -> Tensor:
        """B, D of rows B, W and h B, D."""
        gates = self.gates.sigmoid()
        depths = zip(rows.split(self.widths, 1), gates, self.enter, self.down, self.up, strict=True)
        for row, gate, enter, down, up in depths:
            h = h + up(F.relu(down(gate * h + (1 - gate) * enter(row))))
        return h
