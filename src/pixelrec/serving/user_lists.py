"""The history of a user, and what a run recommends: before the evaluated event, or from now on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl

from pixelrec.batch import Histories
from pixelrec.choices import Split
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, events_of
from pixelrec.data.views import seen_items
from pixelrec.errors import RequestError
from pixelrec.serving.served_run import ServedRun


@final
@dataclass(frozen=True)
class Past:
    """Events, oldest first."""

    items: pl.DataFrame  # `item_id`, perhaps `title`
    times: np.ndarray | None  # int64: unix seconds; none where the data has none

    def __len__(self) -> int:
        return len(self.items)


@final
@dataclass(frozen=True)
class UserList:
    """The best items of a run, and the rank of the item that the user chose next."""

    run: ServedRun
    items: pl.DataFrame  # `item_id`, perhaps `title`: the best first
    rank: int | None = None  # none: from now on, as nobody knows what the user will choose
    ranked: int | None = None  # number of ranked items
    problem: str = ""  # why there is no list


def past(run: ServedRun, user: str, split: Split | None) -> Past:
    """All events of a user, or those before the evaluated one; `RequestError` for an unknown user."""
    dataset = run.dataset
    assert dataset is not None, "its users are known"
    number = dataset.user_numbers([user])
    if split is None:
        events, row = events_of(dataset, number, dataset.held_out()), 1
    else:
        events, row = run.cases[split].histories, int(number[0])
    inside = slice(int(events.starts[row]), int(events.stops[row]))
    return Past(_shown(dataset, events.items[inside]), _times(dataset, events, inside))


def list_before(
    run: ServedRun, user: str, cases: EvaluationCases, k: int, rank: int | None = None
) -> UserList:
    """For the history in cases of its own data set; rank: of the next item, if it was saved."""
    own = run.service.own
    assert own is not None, "its data set is known"
    number = own.user_numbers([user])
    hidden, owners = seen_items(cases.histories, number)
    places = run.service.ranker.best(cases.histories, number, number, hidden, owners, k)[1][0]
    known = run.service.items
    return UserList(run, known[places[places > 0] - 1], rank, own.items - len(hidden.unique()))


def list_now(run: ServedRun, user: str, k: int) -> UserList:
    """With every event known."""
    return _listed(run, k, users=[user])


def list_for(run: ServedRun, history: Sequence[str], k: int) -> UserList:
    """For item ids, oldest first."""
    return _listed(run, k, histories=[history])


def _listed(
    run: ServedRun, k: int, users: Sequence[str] = (), histories: Sequence[Sequence[str]] = ()
) -> UserList:
    try:
        found = run.service.recommend(users=users, histories=histories, k=k)
    except RequestError as error:
        return UserList(run, run.service.items.head(0), problem=str(error))
    numbers = found.items[0]
    told = "" if numbers.any() else "; ".join(found.notes)
    return UserList(run, run.service.items[numbers[numbers > 0] - 1], problem=told)


def _shown(dataset: Dataset, items: np.ndarray) -> pl.DataFrame:
    return dataset.information[items.astype(np.int64) - 1].select("item_id", pl.col("^title$"))


def _times(dataset: Dataset, events: Histories, inside: slice) -> np.ndarray | None:
    return np.asarray(events.times[inside]) if dataset.has_times else None
