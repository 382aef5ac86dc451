"""Sums over histories from which single events are left out, at the price of one sum a history."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def pool_others(table: Tensor, history: Tensor, target_mask: Tensor | None, *, mean: bool) -> Tensor:
    """For every asked event the sum, or mean, of all *other* events of its history: M, D, fp32 at least.

    Where nothing is asked, over the whole history: B, D. Zero where no event is left. Of an item that came
    twice just the asked event is left out.

    table: U, D. history: B, L, rows, 0 where there is no event. asked: B, L, true at events only.
    """
    # A difference of sums: half precision would leave nothing of it.
    table = table.to(torch.promote_types(table.dtype, torch.float32))
    pooled = F.embedding_bag(history, table, mode="sum", padding_idx=0)  # B, D
    counts = (history != 0).sum(dim=1)  # B
    if target_mask is not None:
        row, place = target_mask.nonzero(as_tuple=True)  # M
        pooled = pooled.index_select(0, row) - F.embedding(history[row, place], table)
        counts = counts[row] - 1
    return pooled / counts.clamp(min=1).unsqueeze(1) if mean else pooled
