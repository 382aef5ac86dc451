"""Sums over histories without single events, at the cost of one sum per history."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def pool_others(table: Tensor, history: Tensor, target_mask: Tensor | None, *, mean: bool) -> Tensor:
    """For every target, the sum or mean of all *other* events of its history: M, D, fp32 at least.

    Without a target mask, over the whole history: B, D. Zero if no event is left. Of an item that occurs
    twice only the target event is left out.

    table: U, D. history: B, L, rows, 0 at padding. target_mask: B, L, true at events only.
    """
    # A difference of sums needs full precision.
    table = table.to(torch.promote_types(table.dtype, torch.float32))
    pooled = F.embedding_bag(history, table, mode="sum", padding_idx=0)  # B, D
    counts = (history != 0).sum(dim=1)  # B
    if target_mask is not None:
        row, place = target_mask.nonzero(as_tuple=True)  # M
        pooled = pooled.index_select(0, row) - F.embedding(history[row, place], table)
        counts = counts[row] - 1
    return pooled / counts.clamp(min=1).unsqueeze(1) if mean else pooled
