"""The k best items of each user in the whole catalogue, without a matrix users × items.

The order is that of a full sort by `exact_dot`, ties by the smaller item number, so it is the same for every
tile, batch and device. The catalogue is read in tiles; only items that may enter a user's best k are scored
exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pixelrec.errors import RequestError
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

_SCORES = 1 << 20  # of a tile: for few users it is as wide as the memory of many allows


def top_k(
    vectors: Tensor,
    table: Tensor,
    k: int,
    seen: Tensor,
    seen_owner: Tensor,
    *,
    tile: int | None = None,
    table_norms: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores float32[B, k] (float64 for such vectors) and item numbers int64[B, k], best first.

    vectors: B, D. table: N + 1, D with padding in row 0. seen: excluded item numbers of all users,
    concatenated, with or without repeats and padding; seen_owner: their users, 0 … B − 1. If fewer than k
    items are left, the rest is item 0 with score −inf. tile: items at a time; affects only the speed.
    table_norms: `norm_bounds` of the table, if they are known.
    Raises `RequestError` for k < 1 or an unknown seen item, `DivergedError` for vectors that are not finite.
    """
    items = len(table) - 1
    _check_request(k, seen, items)
    scores = torch.full((len(vectors), k), -torch.inf, dtype=torch.float64, device=table.device)
    best = torch.zeros((len(vectors), k), dtype=torch.int64, device=table.device)
    tile = tile or max(tile_width(table.device), _SCORES // max(1, len(vectors)))
    real = seen > 0
    seen_by_tile = split_by_tile(seen_owner[real], seen[real] - 1, tile, items)
    with full_precision(table.device):
        norms = norm_bounds(vectors, "vectors of users")
        row_norms = norm_bounds(table, "vectors of items") if table_norms is None else table_norms
        for number, out_of_play in enumerate(seen_by_tile if len(vectors) else []):
            rows = slice(1 + number * tile, 1 + (number + 1) * tile)
            found = _promising(vectors, norms, table[rows], row_norms[rows], out_of_play, scores)
            scores, best = _merge(scores, best, found, rows.start)
    return scores.to(torch.promote_types(vectors.dtype, torch.float32)), best


def dense_top_k(scores: Tensor, k: int, seen: Tensor, seen_owner: Tensor) -> tuple[Tensor, Tensor]:
    """As above from all scores (B, N + 1), for models without a dot product."""
    _check_request(k, seen, scores.shape[1] - 1)
    scores = scores.clone()
    scores[:, 0] = -torch.inf
    scores[seen_owner, seen] = -torch.inf
    # stable: of equal scores the smaller item number comes first
    best, items = (x[:, :k] for x in scores.sort(dim=1, descending=True, stable=True))
    return best, items.masked_fill(best == -torch.inf, 0)


def _check_request(k: int, seen: Tensor, items: int) -> None:
    if k < 1:
        raise RequestError(f"{k} items were asked for; expected at least 1")
    if len(seen) and not (int(seen.min()) >= 0 and int(seen.max()) <= items):
        wrong = seen[(seen < 0) | (seen > items)]
        raise RequestError(f"seen item {int(wrong[0])} is unknown; expected a number from 1 to {items}")


def _promising(
    vectors: Tensor,
    norms: Tensor,
    rows: Tensor,
    row_norms: Tensor,
    hidden: tuple[Tensor, Tensor],
    scores: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Users, columns and exact scores of the items of a tile that may enter the best k (scores: B, k)."""
    dtype = product_dtype(vectors, rows, float(norms.max() * row_norms.max()))
    near = torch.empty(len(vectors), len(rows), dtype=dtype, device=rows.device)
    product(vectors.to(dtype), rows.to(dtype), near)
    near[hidden] = -torch.inf
    doubt = error_bound(norms, row_norms, vectors.shape[1], dtype)
    floor = scores[:, -1] - doubt  # a new item must be better than the last of the best
    live = (near.amax(dim=1) >= floor).nonzero()[:, 0]
    near, floor, k = near[live], floor[live], scores.shape[1]
    if k <= near.shape[1]:  # it must also reach the k-th of the tile
        floor = torch.maximum(floor, near.topk(k, dim=1).values[:, -1].double() - 2 * doubt[live])
    low = floor.to(dtype).clamp_(min=torch.finfo(dtype).min)  # hidden items are −inf
    user, column = (near >= low[:, None]).nonzero(as_tuple=True)
    user = live[user]
    exact = exact_dot(vectors, rows, user, column)
    better = exact > scores[user, -1]  # a tie loses: items come in ascending order
    return user[better], column[better], exact[better]


def _merge(
    scores: Tensor, best: Tensor, found: tuple[Tensor, Tensor, Tensor], start: int
) -> tuple[Tensor, Tensor]:
    """The best k of the best so far and of a tile's users, columns and scores."""
    user, column, score = found
    if not len(user):
        return scores, best
    sizes = user.bincount(minlength=len(scores))
    place = torch.arange(len(user), device=user.device) - (sizes.cumsum(0) - sizes)[user]
    widest, k = int(sizes.max()), scores.shape[1]
    more_scores = scores.new_full((len(scores), widest), -torch.inf).index_put((user, place), score)
    more_items = best.new_zeros(len(scores), widest).index_put((user, place), column + start)
    # stable: of equal scores the smaller item number, which stands further left, stays first
    scores, order = torch.cat([scores, more_scores], dim=1).sort(dim=1, descending=True, stable=True)
    return scores[:, :k], torch.cat([best, more_items], dim=1).gather(1, order[:, :k])
