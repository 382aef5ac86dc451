"""Recommended items of many requests: as lists, as a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final, overload

import numpy as np
import polars as pl

from pixelrec.data.id_types import IdTypes


class Recommendation(NamedTuple):
    item_id: str | int  # as in the files of the data set
    score: float
    title: str | None
    rank: int  # 1 is best


@final
@dataclass(frozen=True, repr=False, eq=False)
class Recommendations(Sequence["list[Recommendation]"]):
    """The best items of B requests, in the order of the requests: a list of `Recommendation` for each."""

    catalogue: pl.DataFrame  # `item_id` and perhaps `title` of item number r + 1, in row r
    names: Sequence[str] | None  # of the requests: user ids; none: they are numbered from 1
    scores: np.ndarray  # B, k
    items: np.ndarray  # B, k: item numbers; 0 where fewer than k are left
    ranks: np.ndarray  # B, k
    notes: tuple[str, ...] = ()  # lines about ids that are unknown to the model
    types: IdTypes = IdTypes()  # of ids in tables and lists

    def __repr__(self) -> str:
        return f"Recommendations({len(self):,} requests: {np.count_nonzero(self.items):,} items)"

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, request: int) -> list[Recommendation]: ...
    @overload
    def __getitem__(self, request: slice) -> list[list[Recommendation]]: ...
    def __getitem__(self, request: int | slice) -> list[Recommendation] | list[list[Recommendation]]:
        if isinstance(request, slice):
            return [self[row] for row in range(*request.indices(len(self)))]
        items = self.items[request]
        real = items > 0
        rows = (items[real] - 1).tolist()
        # One by one: Polars would share few rows among its threads.
        found = self.types.restored_items([self.catalogue["item_id"][row] for row in rows])
        titles: list[str | None] = [None] * len(rows)
        if "title" in self.catalogue.columns:
            titles = [self.catalogue["title"][row] for row in rows]
        scores, ranks = self.scores[request][real].tolist(), self.ranks[request][real].tolist()
        return list(map(Recommendation, found, scores, titles, ranks))

    def __iter__(self) -> Iterator[list[Recommendation]]:
        return (self[request] for request in range(len(self)))

    def frame(self) -> pl.DataFrame:
        """Columns `user_id` (or `request`, from 1), `rank`, `item_id`, `score`, and `title` if there are any.

        A row per recommended item, the best first within a request.
        """
        row, column = np.nonzero(self.items)
        name = pl.Series("request", row + 1)
        if self.names is not None:
            name = pl.Series("user_id", self.names, dtype=pl.String).gather(row)
        chosen = self.catalogue[self.items[row, column] - 1]
        ranked = {"rank": self.ranks[row, column], "item_id": chosen["item_id"]}
        table = pl.DataFrame({name.name: name, **ranked, "score": self.scores[row, column]})
        table = table.with_columns(chosen["title"]) if "title" in chosen.columns else table
        return self.types.restored(table)
