"""Learned vectors by number: what an id table and a user table are made of."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Init = Literal["normal", "xavier_normal"]


@final
class RowTable(nn.Module):
    """A vector for every number 1 … rows; number 0 is padding: zero, and never trained.

    Its gradient is dense unless `sparse_gradient` is set, which an optimiser that works on touched rows does.

    Args:
        rows: how many numbers have a vector.
        width: D.
        init: N(0, 0.02), or Xavier's normal over the whole table (Glorot and Bengio 2010).
    """

    def __init__(self, rows: int, width: int, *, init: Init = "normal") -> None:
        super().__init__()
        self.sparse_gradient = False
        self.weight = nn.Parameter(torch.empty(rows + 1, width))
        with torch.no_grad():
            if init == "normal":
                nn.init.normal_(self.weight, std=0.02)
            else:
                nn.init.xavier_normal_(self.weight)
            self.weight[0] = 0

    def forward(self, numbers: Tensor) -> Tensor:
        """Vectors of `numbers` (any shape): that shape, D."""
        return F.embedding(numbers, self.weight, padding_idx=0, sparse=self.sparse_gradient)
