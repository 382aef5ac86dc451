"""Items that look like those of the history: VisRank (Kang et al. 2017, arXiv 1711.02231)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractFeatureBaseline
from pixelrec.baselines.events import FlatEvents
from pixelrec.batch import Histories
from pixelrec.features.treatment import TreatmentConfig, fit_treatment, items_with_events

NEAREST = (1, 3, inf)
TREATMENTS = {
    "as they are": TreatmentConfig(unit=True),
    "whitened by half": TreatmentConfig("centre", whiten=0.5, shrinkage=1e-3, unit=True),
}
RECENT = 50
_BYTES = 256 << 20  # of cosines at a time
_DECIMALS = 6  # of scores: items with equal vectors tie, whatever the order of a product in float32


@final
@dataclass(frozen=True)
class VisRank(AbstractFeatureBaseline):
    """An item's score is the mean of its largest cosines with the latest items of the history.

    Args:
        unit: float32[N + 1, W]: vectors of length 1; zero for padding and for items without features.
        nearest: cosines that are averaged: 1 takes the largest, infinity all of them.
        recent: latest distinct items of a history that count.
        treatment: of the vectors, in a few words.
    """

    unit: np.ndarray
    nearest: float = 1
    recent: int = RECENT
    treatment: str = "as they are"

    @classmethod
    def candidates(cls, histories: Histories, items: int, vectors: np.ndarray) -> Iterator[Self]:
        known = np.flatnonzero(items_with_events(histories, items) & vectors.any(1))
        for name, config in TREATMENTS.items():
            treatment = fit_treatment(vectors, known, config)
            unit = treatment.apply(vectors)
            unit[~vectors.any(1)] = 0
            for nearest in NEAREST:
                yield cls(unit, nearest, treatment=name)

    @property
    def choice(self) -> str:
        pooling = {1: "most alike", inf: "mean"}.get(self.nearest, f"mean of {self.nearest:g} most alike")
        return f"{pooling}, vectors {self.treatment}"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        events = _latest(FlatEvents.of(histories, users).latest_of_each_item(), self.recent)
        if self.nearest == inf:  # the mean of products is the product with the mean
            weights = 1 / np.maximum(events.lengths(), 1)[events.owners]
            profiles = events.matrix(len(self.unit) - 1, weights) @ self.unit
            return np.round((profiles.astype(np.float32) @ self.unit.T).astype(np.float64), _DECIMALS)
        scores = np.zeros((len(users), len(self.unit)))
        stops = np.cumsum(events.lengths())
        for some in _groups(stops, max(1, _BYTES // (4 * len(self.unit)))):
            shown = events.items[stops[some.start] - events.lengths()[some.start] : stops[some.stop - 1]]
            distinct, places = np.unique(shown, return_inverse=True)
            cosines = self.unit[distinct] @ self.unit.T
            cuts = stops[some][:-1] - (stops[some.start] - events.lengths()[some.start])
            for row, mine in zip(range(some.start, some.stop), np.split(places, cuts), strict=True):
                if len(mine):
                    scores[row] = _mean_of_largest(cosines[mine], int(self.nearest))
        return np.round(scores, _DECIMALS)


def _latest(events: FlatEvents, most: int) -> FlatEvents:
    """The latest `most` events of each user."""
    lengths = events.lengths()
    from_the_end = np.cumsum(lengths)[events.owners] - np.arange(len(events.owners))
    kept = from_the_end <= most
    return FlatEvents(events.owners[kept], events.items[kept], events.times[kept], events.users)


def _groups(stops: np.ndarray, most: int) -> Iterator[slice]:
    """Users that follow each other, with at most `most` events together, or a single user."""
    start, before = 0, 0
    while start < len(stops):
        stop = max(int(np.searchsorted(stops, before + most, side="right")), start + 1)
        yield slice(start, stop)
        start, before = stop, int(stops[stop - 1])


def _mean_of_largest(cosines: np.ndarray, most: int) -> np.ndarray:
    """float32[n, N + 1] → the mean of the `most` largest of each column."""
    if most == 1:
        return cosines.max(0)
    if most >= len(cosines):
        return cosines.mean(0)
    largest: np.ndarray = np.partition(cosines, -most, axis=0)[-most:].mean(0)
    return largest
