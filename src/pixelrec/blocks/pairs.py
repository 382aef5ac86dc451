"""Networks over pairs of an event (or a user) and a candidate, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

PAIRS = 1 << 18  # in memory at once, at about 100 numbers each


def in_chunks(function: Callable[[Tensor], Tensor], rows: Tensor, pairs: int) -> Tensor:
    """`function(rows)`, computed in chunks of rows; several chunks are recomputed in the backward pass, so
    that memory holds the pairs of one chunk only.

    function: rows (R, …) → (R, …), each row independently. pairs: the number of pairs per row.
    """
    size = max(1, PAIRS // max(1, pairs))
    if len(rows) <= size:
        return function(rows)
    if not torch.is_grad_enabled():
        return torch.cat([function(part) for part in rows.split(size)])
    return torch.cat([checkpoint(function, part, use_reentrant=False) for part in rows.split(size)])
