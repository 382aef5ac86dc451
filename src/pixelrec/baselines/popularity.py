"""The items with the most events: of all times, and at the time of the user's latest event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractEventBaseline
from pixelrec.baselines.events import FlatEvents
from pixelrec.batch import Histories
from pixelrec.data.sampling import item_counts

WINDOWS = (0.01, 0.03, 0.1, 0.3)


@final
@dataclass(frozen=True)
class Popularity(AbstractEventBaseline):
    """An item's score is the number of its training events."""

    counts: np.ndarray  # float64[N + 1]

    @classmethod
    def fit(cls, histories: Histories, items: int) -> Self:
        return cls(item_counts(histories, items).astype(np.float64))

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        yield cls.fit(histories, items)

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return np.tile(self.counts, (len(users), 1))


@final
@dataclass(frozen=True)
class RecentPopularity(AbstractEventBaseline):
    """An item's score is its count among the latest training events up to the time of the user's latest one.

    The window is a fraction of all training events rather than a time span, so that it suits any clock and
    data that grow denser over the years. Ties are ordered by popularity.
    """

    window: float
    items: np.ndarray  # int64[E]: of all training events, in the order of time
    times: np.ndarray  # int64[E]
    popularity: np.ndarray  # float64[N + 1]: below 1

    @classmethod
    def fit(cls, histories: Histories, items: int, *, window: float = 0.1) -> Self:
        events = FlatEvents.all(histories)
        order = np.argsort(events.times, kind="stable")
        counts = np.bincount(events.items, minlength=items + 1)
        return cls(window, events.items[order], events.times[order], counts / (counts.max() + 1))

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        fitted = cls.fit(histories, items)
        for window in WINDOWS:
            yield cls(window, fitted.items, fitted.times, fitted.popularity)

    @property
    def choice(self) -> str:
        return f"the latest {100 * self.window:g} % of the events"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        stops, known = histories.stops[users], histories.stops[users] > histories.starts[users]
        ends = np.where(known, histories.times[np.where(known, stops - 1, 0)], np.iinfo(np.int64).max)
        stops = np.searchsorted(self.times, ends, side="right")
        starts = np.maximum(stops - max(1, round(self.window * len(self.times))), 0)
        scores = np.empty((len(users), len(self.popularity)))
        counts = np.zeros(len(self.popularity), np.int64)
        first = last = starts.min(initial=len(self.times))
        for user in np.argsort(stops, kind="stable"):  # the window slides: events enter and leave it once
            counts += self._counts(last, stops[user]) - self._counts(first, starts[user])
            first, last = starts[user], stops[user]
            np.add(counts, self.popularity, out=scores[user])
        return scores

    def _counts(self, start: int, stop: int) -> np.ndarray:
        return np.bincount(self.items[start:stop], minlength=len(self.popularity))
