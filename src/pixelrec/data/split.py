"""Leave-one-out split of events into training, validation and test (arXiv 2309.06789, section 5.1).

A user's last event is the test event, the last but one the validation event; the others train. The test
events lie in files of their own, which training and model selection never open.

A user whose target is in their history is no evaluation case: items of the history are never recommended, so
the rank of such a target would be the last one, whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset, HeldOut
from pixelrec.data.views import places_of

_USERS = 65_536  # whose histories are searched at a time


@dataclass(frozen=True)
class EvaluationCases:
    """Q users, each with the target, the item of the next event, and a history, all events before it."""

    name: str
    users: np.ndarray  # int64[Q]
    targets: np.ndarray  # int64[Q]: item numbers, none of them in the history of its user
    histories: Histories
    repeats: int = 0  # users left out, as their target is in their history

    def __len__(self) -> int:
        return len(self.users)

    def some(self, chosen: np.ndarray | slice) -> Self:
        """Those at some places."""
        return replace(self, users=self.users[chosen], targets=self.targets[chosen])


def training_events(dataset: Dataset) -> Histories:
    """All events but the last two of every user who is evaluated."""
    known = _all_but_test_events(dataset)
    return replace(known, stops=known.stops - dataset.evaluated)


def validation_cases(dataset: Dataset) -> EvaluationCases:
    """The last event but one of each evaluated user, if its item is new to the user."""
    histories = training_events(dataset)
    users = np.flatnonzero(dataset.evaluated)
    targets = dataset.event_items[histories.stops[users]].astype(np.int64)
    return _without_repeats("validation", users, targets, histories)


def test_cases(dataset: Dataset) -> EvaluationCases:
    """The last event of each evaluated user, if its item is new to the user.

    The only reader of the held-out files.
    """
    users = np.flatnonzero(dataset.evaluated)
    targets = dataset.held_out().items[users].astype(np.int64)
    return _without_repeats("test", users, targets, _all_but_test_events(dataset))


test_cases.__test__ = False  # type: ignore[attr-defined]  # the name looks like a test to pytest


def all_events(dataset: Dataset) -> Histories:
    """Every event, the test events included: for recommendations, after training and selection. A copy."""
    held = dataset.held_out()
    users = np.flatnonzero(dataset.evaluated)
    ends = dataset.offsets[users + 1]
    items = np.insert(dataset.event_items, ends, held.items[users])
    times = np.insert(dataset.event_times, ends, held.times[users])
    known, added = _all_but_test_events(dataset), np.cumsum(dataset.evaluated)
    return Histories(items, times, known.starts + added - dataset.evaluated, known.stops + added)


def _without_repeats(
    name: str, users: np.ndarray, targets: np.ndarray, histories: Histories
) -> EvaluationCases:
    repeated = np.zeros(len(users), bool)
    for start in range(0, len(users), _USERS):
        part = slice(start, start + _USERS)
        owners, places = places_of(histories, users[part])
        found = owners[histories.items[places] == targets[part][owners]]
        repeated[part][found] = True
    return EvaluationCases(name, users[~repeated], targets[~repeated], histories, int(repeated.sum()))


def events_of(dataset: Dataset, users: np.ndarray, held_out: HeldOut) -> Histories:
    """Every event of some users (B), the test events included: for recommendations, after training.

    The user at place r is number r + 1. held_out: of the data set.
    """
    known = _all_but_test_events(dataset)
    owners, places = places_of(known, users)
    stops = np.cumsum(np.bincount(owners, minlength=len(users)))  # without the test events
    tested = np.flatnonzero(dataset.evaluated[users])
    items = np.insert(known.items[places], stops[tested], held_out.items[users[tested]])
    times = np.insert(known.times[places], stops[tested], held_out.times[users[tested]])
    return Histories.of_stops(items, times, stops + np.cumsum(dataset.evaluated[users]))


def _all_but_test_events(dataset: Dataset) -> Histories:
    dataset.verify()
    starts, stops = dataset.offsets[:-1].astype(np.int64), dataset.offsets[1:].astype(np.int64)
    return Histories(dataset.event_items, dataset.event_times, starts, stops)
