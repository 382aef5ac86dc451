"""Networks over pairs of an event (or a user) and a candidate, without holding all pairs at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

PAIRS = 1 << 18  # held at once: some 100 numbers each, as much as a step may well take


def in_chunks(function: Callable[[Tensor], Tensor], rows: Tensor, pairs: int) -> Tensor:
    """`function(rows)`, computed for some rows at a time and, where there are several such parts, once more
    in backward, so that memory holds the pairs of one part only.

    function: rows (R, …) → (R, …), each row by itself. pairs: that one row makes.
    """
    size = max(1, PAIRS // max(1, pairs))
    if len(rows) <= size:
        return function(rows)
    if not torch.is_grad_enabled():
        return torch.cat([function(part) for part in rows.split(size)])
    return torch.cat([checkpoint(function, part, use_reentrant=False) for part in rows.split(size)])
