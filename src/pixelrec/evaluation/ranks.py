"""Exact ranks of targets in the whole catalogue, one integer a user, without a matrix users × items.

The catalogue is scored tile by tile. Where the error bound of the tile's matrix product leaves no doubt, an
item is counted by its float32 score; the few doubtful ones are scored again in float64. So the ranks are
those of a full sort by `numerics.tiles.exact_dot`, whatever the tiles and the device, at little more than the
cost of the products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pixelrec.errors import DataError, DivergedError
from pixelrec.numerics.tiles import (
    error_bound,
    exact_dot,
    full_precision,
    norm_bounds,
    product,
    product_dtype,
    split_by_tile,
    tile_width,
)

_USERS = 1024  # users of one block
ROUNDING = 1e-9  # of the largest score of a row: float64 scores this close tie
_COUNTED = 1024  # columns that `_true_per_row` counts fast
_DENSE = 16  # doubtful items of a user and a tile above which a float64 matrix product is cheaper


def count_ranks(
    vectors: Tensor,
    table: Tensor,
    targets: Tensor,
    seen: Tensor,
    seen_owner: Tensor,
    *,
    tile: int | None = None,
) -> Tensor:
    """Rank of each user's target among the items the user has not seen, int64[B] from 1 to N.

    rank = 1 + the number of unseen items, other than the target, that score at least as much: a tie counts
    against the target. A target that the user has already seen cannot be recommended and gets rank N.

    vectors: B, D. table: N + 1, D with the padding in row 0. targets: B item numbers.
    seen: item numbers of all histories, flat, with repeats and padding; seen_owner: whose, 0 … B − 1.
    tile: items compared at a time, by default what suits the device; it affects the speed, never a rank.
    Raises `DataError` for an item outside the catalogue, `DivergedError` for vectors that are not finite.
    """
    items = len(table) - 1
    _check_items(targets, 1, items, "target")
    _check_items(seen, 0, items, "history item")
    if not len(targets):
        return targets.new_zeros(0, dtype=torch.int64)
    everyone = torch.arange(len(targets), device=targets.device)
    tile = tile or tile_width(table.device)
    owner, item = torch.cat([seen_owner, everyone]), torch.cat([seen, targets])  # these pairs do not count
    owner, item, blocks = owner[item > 0], item[item > 0], []
    with full_precision(table.device):
        row_norms, norms = norm_bounds(table, "vectors of items"), norm_bounds(vectors, "vectors of users")
        for users in torch.split(everyone, _USERS):
            mine = (owner >= users[0]) & (owner <= users[-1])
            hidden = split_by_tile(owner[mine] - users[0], item[mine] - 1, tile, items)
            block = vectors[users], norms[users], targets[users]
            blocks.append(_count_block(table, row_norms, *block, hidden, tile))
    ranks = torch.cat(blocks) + 1
    ranks[seen_owner[targets[seen_owner] == seen]] = items
    return ranks


def _check_items(numbers: Tensor, first: int, last: int, what: str) -> None:
    if len(numbers) and not (first <= int(numbers.min()) and int(numbers.max()) <= last):
        wrong = numbers[(numbers < first) | (numbers > last)]
        raise DataError(
            f"{what} {int(wrong[0])} is not in the catalogue of items {first} to {last}: "
            "rank with the data set that the table was made from"
        )


@final
@dataclass(frozen=True)
class _UserBlock:
    """B users with the exact scores of their targets."""

    vectors: Tensor  # B, D
    norms: Tensor  # B
    score: Tensor  # B: float64

    def band(self, row_norms: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Scores below the first are surely lower than the target's, from the second on surely not; B, 1."""
        doubt = error_bound(self.norms, row_norms, self.vectors.shape[1], dtype)
        low, high = (self.score - doubt).to(dtype), (self.score + doubt).to(dtype)
        return low.clamp_(min=torch.finfo(dtype).min)[:, None], high[:, None]  # hidden items are −inf


def _count_block(
    table: Tensor,
    row_norms: Tensor,
    vectors: Tensor,
    norms: Tensor,
    targets: Tensor,
    hidden: list[tuple[Tensor, Tensor]],
    tile: int,
) -> Tensor:
    """How many items are at least as good as each user's target, int64[B]; hidden: pairs by tile."""
    dtype = product_dtype(vectors, table, float(norms.max() * row_norms.max()))
    everyone = torch.arange(len(vectors), device=vectors.device)
    block = _UserBlock(vectors.to(dtype), norms, exact_dot(vectors, table, everyone, targets))
    buffers = _Buffers(len(vectors) * min(tile, len(table) - 1), dtype, table.device)
    counts = torch.zeros(len(vectors), dtype=torch.int64, device=table.device)
    for number, hidden_here in enumerate(hidden):
        rows = slice(1 + number * tile, 1 + (number + 1) * tile)
        counts += _count_tile(block, table[rows].to(dtype), row_norms[rows], hidden_here, buffers)
    return counts


@final
class _Buffers:
    """Memory that every tile reuses: allocating it would cost more than the counting."""

    def __init__(self, size: int, dtype: torch.dtype, device: torch.device) -> None:
        self.scores = torch.empty(size, dtype=dtype, device=device)
        self.sure = torch.empty(size, dtype=torch.bool, device=device)
        self.near = torch.empty(size, dtype=torch.bool, device=device)

    def shaped(self, users: int, items: int) -> tuple[Tensor, Tensor, Tensor]:
        """Scores and two masks, each contiguous [users, items]."""
        size = users * items
        shaped = [flat[:size].view(users, items) for flat in (self.scores, self.sure, self.near)]
        return shaped[0], shaped[1], shaped[2]


def _count_tile(
    block: _UserBlock, rows: Tensor, norms: Tensor, hidden: tuple[Tensor, Tensor], buffers: _Buffers
) -> Tensor:
    scores, sure, near = buffers.shaped(len(block.vectors), len(rows))
    product(block.vectors, rows, scores)
    scores[hidden] = -torch.inf
    low, high = block.band(norms, rows.dtype)
    torch.ge(scores, high, out=sure)
    torch.ge(scores, low, out=near)
    users, items = _true_pairs(near.logical_xor_(sure))
    if len(users) > _DENSE * len(near) and rows.dtype == torch.float32:
        # in float64, for vectors too alike for float32
        buffers = _Buffers(scores.numel(), torch.float64, rows.device)
        sharper = _UserBlock(block.vectors.double(), block.norms, block.score)
        return _count_tile(sharper, rows.double(), norms, hidden, buffers)
    counts = _true_per_row(sure)
    good = exact_dot(block.vectors, rows, users, items) >= block.score[users]
    return counts.index_add_(0, users, good.long())


def _true_per_row(mask: Tensor) -> Tensor:
    """True values in each row of a contiguous mask, added eight at a time where the width allows."""
    if mask.shape[1] % _COUNTED:
        return mask.count_nonzero(dim=1)
    sums = mask.view(torch.int64).view(len(mask), -1, 128).sum(dim=2)  # a byte sums to at most 128: no carry
    return sums.view(torch.uint8).sum(dim=1)


def _true_pairs(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the rare true values of a contiguous mask, found eight bytes at a time."""
    if mask.shape[1] % 8:
        row, column = mask.nonzero(as_tuple=True)
        return row, column
    row, word = mask.view(torch.int64).nonzero(as_tuple=True)
    hit, byte = mask.view(len(mask), -1, 8)[row, word].nonzero(as_tuple=True)
    return row[hit], word[hit] * 8 + byte


def count_dense_ranks(scores: Tensor, targets: Tensor, seen: Tensor, seen_owner: Tensor) -> Tensor:
    """Rank of each user's target among the items the user has not seen, int64[B] from 1 to N.

    As `count_ranks` defines it: a tie counts against the target, a target already seen gets rank N.
    Scores closer than 1e-9 times the largest of their row tie, so that rounding decides nothing.

    For models whose score is not a dot product. scores: float64[B, N + 1]; column 0 is padding. targets: B.
    seen: item numbers of all histories; seen_owner: whose, 0 … B − 1. Raises `DivergedError` for scores that
    are not finite.
    """
    items = scores.shape[1] - 1
    everyone = torch.arange(len(targets), device=scores.device)
    width = -(-scores.shape[1] // _COUNTED) * _COUNTED
    reached = torch.zeros(len(scores), width, dtype=torch.bool, device=scores.device)
    enough = (scores[everyone, targets] - ROUNDING * largest_scores(scores))[:, None]
    torch.ge(scores, enough, out=reached[:, : scores.shape[1]])
    reached[:, 0] = False
    reached[seen_owner, seen] = False
    reached[everyone, targets] = False
    ranks = 1 + _true_per_row(reached)
    ranks[seen_owner[targets[seen_owner] == seen]] = items
    return ranks


def largest_scores(scores: Tensor) -> Tensor:
    """The largest absolute score of each row, without column 0; raises `DivergedError` if not finite."""
    sizes = torch.maximum(scores[:, 1:].amax(dim=1), -scores[:, 1:].amin(dim=1))
    if not bool(sizes.isfinite().all()):
        raise DivergedError("scores are not finite numbers, nothing can be ranked by them: train again")
    return sizes
