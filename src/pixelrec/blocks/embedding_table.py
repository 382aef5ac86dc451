"""Learned vectors by number, for items and for users."""

from __future__ import annotations

import math
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Init = Literal["normal", "xavier_normal", "kaiming_normal", "uniform", "uniform_by_rows"]


@final
class EmbeddingTable(nn.Module):
    """A vector for every number 1 … rows; number 0 is padding: zero, and never trained.

    Its gradient is dense unless an optimiser for touched rows sets `sparse_gradient`, and dense even then if
    all numbers are looked up at once: every row is touched. `init` is N(0, 0.02), Xavier normal over the
    whole table (Glorot and Bengio 2010), N(0, √(2/D)), U(±1/√D), or uniform within ±1/√(rows + 1).
    """

    def __init__(self, rows: int, width: int, *, init: Init = "normal") -> None:
        super().__init__()
        self.sparse_gradient = False
        self.weight = nn.Parameter(torch.empty(rows + 1, width))
        with torch.no_grad():
            if init == "normal":
                nn.init.normal_(self.weight, std=0.02)
            elif init == "xavier_normal":
                nn.init.xavier_normal_(self.weight)
            elif init == "kaiming_normal":
                nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
            else:
                bound = 1 / math.sqrt(width if init == "uniform" else rows + 1)
                nn.init.uniform_(self.weight, -bound, bound)
            self.weight[0] = 0

    def forward(self, numbers: Tensor) -> Tensor:
        """Vectors of `numbers` (any shape): that shape, D."""
        everything = torch.arange(len(self.weight), device=numbers.device)
        if numbers.shape == everything.shape and torch.equal(numbers, everything):
            weight: Tensor = _Whole.apply(self.weight)  # type: ignore[no-untyped-call]
            return weight
        return F.embedding(numbers, self.weight, padding_idx=0, sparse=self.sparse_gradient)


@final
class _Whole(Function):
    """The whole table, without gathering rows or scattering gradients."""

    @staticmethod
    def forward(_ctx: Any, weight: Tensor) -> Tensor:
        return weight.view_as(weight)

    @staticmethod
    @once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        if gradient[0].any():  # padding is never trained
            gradient = gradient.clone()
            gradient[0] = 0
        return gradient
