"""What was popular when the user was last here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.baselines.events import FlatEvents
from pixelrec.batch import Histories

SHARES = (0.01, 0.03, 0.1, 0.3)


@final
@dataclass(frozen=True)
class RecentPopularity(AbstractBaseline):
    """An item's score is its number among the latest training events up to the user's own latest moment.

    The window is a share of all training events rather than a time, so that it suits any clock, and data
    that thicken over the years. Items that are equal in it stand in the order of their popularity.
    """

    share: float
    items: np.ndarray  # int64[E]: of all training events, in the order of time
    times: np.ndarray  # int64[E]
    popularity: np.ndarray  # float64[N + 1]: below 1

    @classmethod
    def fit(cls, histories: Histories, items: int, *, share: float = 0.1) -> Self:
        events = FlatEvents.all(histories)
        order = np.argsort(events.times, kind="stable")
        counts = np.bincount(events.items, minlength=items + 1)
        return cls(share, events.items[order], events.times[order], counts / (counts.max() + 1))

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        fitted = cls.fit(histories, items)
        for share in SHARES:
            yield cls(share, fitted.items, fitted.times, fitted.popularity)

    @property
    def choice(self) -> str:
        return f"the latest {100 * self.share:g} % of the events"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        stops = np.searchsorted(self.times, _latest_times(histories, users), side="right")
        starts = np.maximum(stops - max(1, round(self.share * len(self.times))), 0)
        scores = np.empty((len(users), len(self.popularity)))
        counts = np.zeros(len(self.popularity), np.int64)
        first = last = starts.min(initial=len(self.times))
        for user in np.argsort(stops, kind="stable"):  # the window slides: each event enters and leaves once
            counts += self._counts(last, stops[user]) - self._counts(first, starts[user])
            first, last = starts[user], stops[user]
            np.add(counts, self.popularity, out=scores[user])
        return scores

    def _counts(self, start: int, stop: int) -> np.ndarray:
        return np.bincount(self.items[start:stop], minlength=len(self.popularity))


def _latest_times(histories: Histories, users: np.ndarray) -> np.ndarray:
    """When each user was last here, int64[B]; whoever never was is asked after everything has happened."""
    stops = histories.stops[users]
    known = stops > histories.starts[users]
    return np.where(known, histories.times[np.where(known, stops - 1, 0)], np.iinfo(np.int64).max)
