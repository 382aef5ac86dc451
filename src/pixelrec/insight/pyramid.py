"""The levels of a map: which items a tile shows.

Level z has 2ᶻ × 2ᶻ tiles. A tile of a coarse level has 8 × 8 places, each for the most popular item of a
square of cells; at one level a place is a cell; the three levels below it show the same cells larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from pixelrec.errors import RequestError
from pixelrec.insight.cells import LEAST

DEEPER = 3  # levels below that of single cells: 4 × 4, 2 × 2 and 1 cover a tile


@final
@dataclass(frozen=True, eq=False)
class Pyramid:
    side: int  # cells along a side of the grid, a power of two
    cells: np.ndarray  # int[N, 2]: column and row of each item
    counts: np.ndarray  # int[N]: popularity

    @property
    def levels(self) -> int:
        return self._single + DEEPER + 1

    @property
    def _single(self) -> int:
        """The first level at which a place is a cell."""
        return (self.side // LEAST).bit_length() - 1

    @cached_property
    def order(self) -> np.ndarray:
        """int64[N]: rows of the items, the most popular first."""
        return np.argsort(-self.counts.astype(np.int64), kind="stable")

    @cached_property
    def _best(self) -> list[np.ndarray]:
        """By level, for each place, its item's place in `order`; N where it is empty."""
        finest = np.full((self.side, self.side), len(self.cells), np.int32)
        columns, rows = self.cells[self.order].astype(np.int64).T
        finest[rows, columns] = np.arange(len(self.cells))
        found = [finest]
        while len(found[-1]) > LEAST:
            half = len(found[-1]) // 2
            found.append(found[-1].reshape(half, 2, half, 2).min(axis=(1, 3)))
        return found[::-1]

    def tile(self, level: int, column: int, row: int) -> np.ndarray:
        """Rows of the items of a tile, −1 where a place is empty: int64[P, P], P being 8, 4, 2 or 1.

        Raises `RequestError` if there is no such tile.
        """
        if not (0 <= level < self.levels and 0 <= column < 2**level and 0 <= row < 2**level):
            raise RequestError(
                f"there is no tile {column}, {row} on level {level}; levels go from 0 to {self.levels - 1}, "
                "and level z has 2ᶻ × 2ᶻ tiles"
            )
        places = LEAST >> max(0, level - self._single)
        best = self._best[min(level, self._single)]
        found = best[row * places : (row + 1) * places, column * places : (column + 1) * places]
        return np.append(self.order, -1)[found]

    def within(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """int64[≤ N]: rows of items in cells [left, right) × [top, bottom), the most popular first."""
        columns, rows = self.cells[self.order].T
        inside = (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)
        return self.order[inside]
