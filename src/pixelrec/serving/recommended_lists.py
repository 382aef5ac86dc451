"""Recommended items of many requests, as a server sent them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final, overload

import polars as pl

from pixelrec.runs.recommendations import Recommendation


@final
@dataclass(frozen=True, repr=False, eq=False)
class RecommendedLists(Sequence["list[Recommendation]"]):
    """The best items of B requests, in the order of the requests: a list of `Recommendation` for each."""

    run: str
    lists: list[list[Recommendation]]
    names: list[str | int] | None  # of the requests: user ids; none: they are numbered from 1
    notes: tuple[str, ...]  # lines about ids that are unknown to the model

    @classmethod
    def of(cls, found: Any, lists: Any, ids: Sequence[str | int] | None) -> Self:
        """Of the JSON of an answer, its lists in one list, and the ids of the users."""
        items = [[Recommendation(**each) for each in some] for some in lists]
        names = None if ids is None else list(ids)
        return cls(found["run"], items, names, tuple(found["notes"]))

    def __repr__(self) -> str:
        return f"RecommendedLists({self.run!r}, {len(self):,} requests: {sum(map(len, self.lists)):,} items)"

    def __len__(self) -> int:
        return len(self.lists)

    @overload
    def __getitem__(self, request: int) -> list[Recommendation]: ...
    @overload
    def __getitem__(self, request: slice) -> list[list[Recommendation]]: ...
    def __getitem__(self, request: int | slice) -> list[Recommendation] | list[list[Recommendation]]:
        return self.lists[request]

    def frame(self) -> pl.DataFrame:
        """Columns `user_id` (or `request`, from 1), `rank`, `item_id`, `score`, and perhaps `title`."""
        names = self.names if self.names is not None else list(range(1, len(self) + 1))
        owner = [name for name, items in zip(names, self.lists, strict=True) for _ in items]
        flat = [each for items in self.lists for each in items]
        columns: dict[str, Any] = {"request" if self.names is None else "user_id": owner}
        columns |= {key: [getattr(each, key) for each in flat] for key in ("rank", "item_id", "score")}
        if any(each.title is not None for each in flat):
            columns["title"] = [each.title for each in flat]
        return pl.DataFrame(columns)
