"""Dropout with masks that are cheap on a CPU."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 2**16  # of a probability: random bits come in 16s


@final
class Dropout(nn.Module):
    """Zeroes elements at random in training and scales up the others (Srivastava et al. 2014).

    On a CPU, drawing 64 random bits for four elements is eight times faster than a Bernoulli number for each;
    `p`, the probability of zeroing, is then rounded to a multiple of 1/65,536, and the scale matches it.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        dropped = round(self.p * LEVELS)
        keep = words.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - LEVELS // 2
        return x * keep.to(x.dtype).mul_(LEVELS / (LEVELS - dropped))

    def extra_repr(self) -> str:
        return str(self.p)
