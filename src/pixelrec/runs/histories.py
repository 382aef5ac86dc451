"""Histories to recommend for, in the item numbers of a run: of users of a data set, or given as item ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Self, final

import numpy as np
import polars as pl

from pixelrec.batch import Histories
from pixelrec.choices import as_ids, as_list
from pixelrec.data.dataset import Dataset, HeldOut
from pixelrec.data.numbering import Numbering
from pixelrec.data.split import events_of
from pixelrec.errors import RequestError, some_of
from pixelrec.runs.run import Run


@final
@dataclass(frozen=True)
class Requests:
    """B histories: of request r in that of user number r + 1."""

    histories: Histories
    users: np.ndarray  # int64[B]: the number of a user whom the model was trained with, or 0
    names: Sequence[str] | None = None  # B
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.users)

    @property
    def empty(self) -> np.ndarray:
        """bool[B]: the history has no event of an item that the model knows."""
        found: np.ndarray = self.histories.starts[1:] == self.histories.stops[1:]
        return found


@final
@dataclass(frozen=True, eq=False)
class UserEvents:
    """The events of a data set, in the item numbers of a run."""

    dataset: Dataset
    numbers: np.ndarray | None = None  # by item number there, that of the run, or 0; none: they are the same

    @classmethod
    def foreign(cls, dataset: Dataset, item_ids: pl.Series) -> Self:
        """Of another data set than that of the run, whose items are `item_ids`."""
        here = pl.DataFrame({"id": dataset.item_ids})
        there = pl.DataFrame({"id": item_ids}).with_row_index("number", 1)
        numbers = here.join(there, on="id", how="left", maintain_order="left")["number"].fill_null(0)
        return cls(dataset, np.r_[0, numbers.to_numpy()].astype(np.int64))

    @cached_property
    def users(self) -> Numbering:
        return Numbering(self.dataset.user_ids)

    @cached_property
    def held_out(self) -> HeldOut:
        return self.dataset.held_out()

    def requests(self, users: np.ndarray, names: Sequence[str]) -> Requests:
        """All their events, oldest first; users: int64[B], numbers in the data set."""
        events = events_of(self.dataset, users, self.held_out)
        if self.numbers is None:
            return Requests(events, users, names)
        items = self.numbers[events.items]
        known = items > 0
        stops = np.r_[0, np.cumsum(known)][events.stops[1:]]
        return Requests(
            Histories.of_stops(items[known], events.times[known], stops), np.zeros_like(users), names
        )

    def difference(self, run: Run) -> str:
        """Of another data set than the run's: a line about its age and the items that it does not know."""
        assert self.numbers is not None, "of another data set"
        unknown = np.flatnonzero(self.numbers[1:] == 0) + 1
        events = int(np.bincount(self.dataset.event_items, minlength=len(self.numbers))[unknown].sum())
        other = f"{self.dataset.folder} is not the data set that {run.folder} was trained on"
        if run.is_published:
            other = f"{self.dataset.folder} may be another data set than that of {run.folder}"
        return (
            f"{other} ({run.about['created'][:10]}): {len(unknown):,} of its {self.dataset.items:,} items "
            f"are unknown to the run and never recommended, {events:,} events of them are skipped"
        )


def given_histories(
    given: Mapping[str, Iterable[str | int]] | Iterable[Iterable[str | int]], known: Numbering, run: Run
) -> Requests:
    """Histories of item ids, oldest first, by name or in a list.

    Raises:
        RequestError: an id is of another type, or no item is known.
    """
    names = as_ids(given, "histories") if isinstance(given, Mapping) else None
    lists: list[Any] = as_list(given.values() if isinstance(given, Mapping) else given, "histories")
    ids = [as_ids(each, "a history") for each in lists]
    flat = list(chain.from_iterable(ids))
    numbers, lengths = known.look_up(flat), np.array([len(each) for each in ids], np.int64)
    found = numbers > 0
    stops = np.r_[0, np.cumsum(found)][np.cumsum(lengths)]
    items = numbers[found]
    histories = Histories.of_stops(items, np.zeros_like(items), stops)
    requests = Requests(histories, np.zeros(len(ids), np.int64), names)
    if not found.all():
        requests.notes.append(unknown_line("the histories", flat, found, run))
    if not found.any():
        raise RequestError(
            f"{unknown_line('the histories', flat, found, run)}; the known ones are in items.parquet there"
            if flat
            else "the histories hold no item; give at least one item id"
        )
    return requests


def unknown_line(where: str, ids: Sequence[str], known: np.ndarray, run: Run) -> str:
    """A line about the ids that are unknown to the run; known: bool, by place in `ids`."""
    unknown = list(dict.fromkeys(ids[place] for place in np.flatnonzero(~known).tolist()))
    named = some_of(map(repr, unknown))
    return f"{int((~known).sum()):,} of {len(ids):,} items of {where} are unknown to {run.folder}: {named}"
