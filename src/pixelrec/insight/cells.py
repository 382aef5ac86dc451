"""Points of a map moved to the cells of a grid, each to its own, so that no cover hides another."""

from __future__ import annotations

import numpy as np

LEAST = 8  # cells along a side: those of one tile
_ROOM = 2  # cells for each point, at least


def side_for(points: int) -> int:
    """Cells along a side of the grid for N points: a power of two."""
    side = LEAST
    while side * side < _ROOM * points:
        side *= 2
    return side


def placed(points: np.ndarray, side: int) -> np.ndarray:
    """A cell of its own, column and row, for each point (N, 2): uint16[N, 2].

    The grid is halved again and again, across and down. Points go to the half that they lie in; where more
    do than it has cells, those nearest to the cut go to the other half. So groups keep their shape and the
    void between them, and only what is too dense spreads.

    side: cells along a side, a power of two; side² ≥ N.
    """
    if len(points) > side * side:
        raise ValueError(f"{len(points):,} points do not fit in {side * side:,} cells")
    where = _scaled(points, side)
    corner, size = np.zeros((len(points), 2), np.int64), [side, side]
    while size[1] > 1:
        for axis in (0, 1):
            size[axis] //= 2
            second = _in_second_half(where[:, axis], corner, axis, size)
            corner[second, axis] += size[axis]
    return corner.astype(np.uint16)


def _scaled(points: np.ndarray, side: int) -> np.ndarray:
    """float64[N, 2], from 0 to `side`, with the aspect they have."""
    if not len(points):
        return np.zeros((0, 2))
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    extent = max((high - low).max(), 1e-30)
    return (points - (low + high) / 2) / extent * side + side / 2


def _in_second_half(along: np.ndarray, corner: np.ndarray, axis: int, half: list[int]) -> np.ndarray:
    """bool[N]: the points of the right or lower half of their part of the grid, which begins at `corner`.

    along: their coordinate on `axis`. half: width and height of a half, in cells.
    """
    order = np.lexsort((along, corner[:, 1], corner[:, 0]))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(corner[order], axis=0) != 0).any(1)
    part = first.cumsum() - 1
    counts, starts = np.bincount(part), np.flatnonzero(first)
    before = along[order] < corner[order, axis] + half[axis]
    room = half[0] * half[1]
    in_first = np.clip(np.bincount(part, before), counts - room, room)
    second = np.empty(len(order), bool)
    second[order] = np.arange(len(order)) - starts[part] >= in_first[part]
    return second
