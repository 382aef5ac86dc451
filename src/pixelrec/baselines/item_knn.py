"""Items similar to those of the history, its latest events above all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Self, final

import numpy as np
from scipy.sparse import csr_array, vstack

from pixelrec.baselines.baseline import AbstractEventBaseline
from pixelrec.baselines.events import FlatEvents
from pixelrec.batch import Histories

REACHES = (5.0, 20.0, inf)
HALF_LIVES = (0.5, 1.0, 2.0, 4.0, 16.0)
REACH = 20.0
SHRINKAGE = 10.0
FAINT = 1e-12  # weights below it are left out: no rank depends on them
_KEPT = 50_000_000  # similarities: 600 MB
_LONGEST = 2_000  # latest events of a user that count, as their pairs grow with the square
_PAIRS = 8_000_000  # of events at a time: a few hundred MB


@final
@dataclass(frozen=True)
class ItemKNN(AbstractEventBaseline):
    """An item's score is the sum of its similarities to the history, decaying with age (Sarwar et al. 2001).

    Items are similar if the same users have them within about `reach` time steps, as defined in
    `Similarities`. Each item keeps as many neighbours as memory allows, in a small catalogue all.
    An event of the history weighs 0.5 ** (age / half_life). Ages and distances count the user's time steps.
    """

    similarity: csr_array  # float64[N + 1, N + 1]: row i: similarities of all items to item i
    half_life: float
    reach: float

    @classmethod
    def fit(
        cls,
        histories: Histories,
        items: int,
        *,
        half_life: float = 1.0,
        reach: float = REACH,
        shrinkage: float = SHRINKAGE,
        neighbours: int | None = None,
    ) -> Self:
        """neighbours: kept per item; by default as many as memory allows."""
        most = max(1, _KEPT // (items + 1)) if neighbours is None else neighbours
        return cls(item_similarities(histories, items, reach, shrinkage, most), half_life, reach)

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        for reach in REACHES:
            fitted = cls.fit(histories, items, reach=reach)
            for half_life in HALF_LIVES:
                yield cls(fitted.similarity, half_life, reach)

    @property
    def choice(self) -> str:
        reach = "any distance" if self.reach == inf else f"reach {self.reach:g}"
        return f"half-life {self.half_life:g}, {reach}"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        events = FlatEvents.of(histories, users)
        weights = 0.5 ** (events.ages() / self.half_life)
        weights[weights < FAINT] = 0.0
        shown = events.matrix(self.similarity.shape[0] - 1, weights)
        shown.eliminate_zeros()
        return (shown @ self.similarity).toarray()


@final
@dataclass(frozen=True)
class _CooccurrenceEvents:
    """The latest event of every user with each of their items: E, ordered by item."""

    items: np.ndarray  # int64[E]
    places: np.ndarray  # int64[E]: position of each when ordered by user
    starts: np.ndarray  # int64[E]: its user's events are at positions [starts:stops]
    stops: np.ndarray  # int64[E]
    weights: np.ndarray  # float64[E]: 1 / √(items of its user), scaled to a mean of 1
    item_at: np.ndarray  # int64[E]: by position
    time_step_at: np.ndarray  # int64[E]: by position

    @classmethod
    def of(cls, histories: Histories) -> Self:
        recent = replace(histories, starts=np.maximum(histories.starts, histories.stops - _LONGEST))
        events = FlatEvents.all(recent).latest_of_each_item()
        lengths = events.lengths()
        stops, length = np.cumsum(lengths)[events.owners], lengths[events.owners]
        weights = 1 / np.sqrt(length)
        places = np.argsort(events.items, kind="stable")
        return cls(
            events.items[places],
            places,
            (stops - length)[places],
            stops[places],
            (weights / weights.mean())[places],
            events.items,
            events.time_steps(),
        )


def item_similarities(
    histories: Histories, items: int, reach: float, shrinkage: float, neighbours: int
) -> csr_array:
    """In each row the `neighbours` largest similarities of an item to others: float64[N + 1, N + 1]."""
    found = Similarities.of(histories, items, reach, shrinkage)
    return vstack([_largest(found.rows(*some), neighbours) for some in found.ranges()], format="csr")


@final
@dataclass(frozen=True, eq=False)
class Similarities:
    """Similarities of items to all others, computed for the items that are asked about.

    A shrunk cosine, c_ij / (√(c_i · c_j) + shrinkage): c_i sums the weights of the users with item i, c_ij
    those of the users with both, each times 0.5 ** (time steps between the two / reach).
    """

    events: _CooccurrenceEvents
    bounds: np.ndarray  # int64[N + 2]: item i has the events [bounds[i]:bounds[i + 1]]
    sizes: np.ndarray  # float64[N + 1]: √c_i
    reach: float
    shrinkage: float

    @classmethod
    def of(cls, histories: Histories, items: int, reach: float = REACH, shrinkage: float = SHRINKAGE) -> Self:
        """From events of items 1 … `items`."""
        events = _CooccurrenceEvents.of(histories)
        sizes = np.sqrt(np.bincount(events.items, events.weights, items + 1))
        return cls(events, np.searchsorted(events.items, np.arange(items + 2)), sizes, reach, shrinkage)

    def rows(self, start: int, stop: int) -> csr_array:
        """Of items start … stop − 1 to all items, 0 to themselves: float64[stop − start, N + 1]."""
        together = _together(self.events, self.bounds[start : stop + 1], len(self.sizes) - 1, self.reach)
        rows = np.repeat(np.arange(start, stop), np.diff(together.indptr))
        together.data /= self.sizes[rows] * self.sizes[together.indices] + self.shrinkage
        together.data[rows == together.indices] = 0.0
        return together

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Ranges of items whose rows fit in memory together."""
        return _ranges(self.events, self.bounds)


def _ranges(events: _CooccurrenceEvents, bounds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of items with at most `_PAIRS` pairs of events, or of one item."""
    pairs = np.append(0, np.cumsum(events.stops - events.starts))[bounds]
    start, last = 0, len(bounds) - 1
    while start < last:
        stop = max(int(np.searchsorted(pairs, pairs[start] + _PAIRS, side="right")) - 1, start + 1)
        yield start, stop
        start = stop


def _together(events: _CooccurrenceEvents, bounds: np.ndarray, items: int, reach: float) -> csr_array:
    """c of some items (rows) with all items: row r has the events [bounds[r]:bounds[r + 1]]."""
    mine = slice(bounds[0], bounds[-1])
    starts, counts = events.starts[mine], (events.stops - events.starts)[mine]
    stops = np.cumsum(counts)
    others = np.arange(counts.sum()) + np.repeat(starts - (stops - counts), counts)
    between = np.abs(
        np.repeat(events.time_step_at[events.places[mine]], counts) - events.time_step_at[others]
    )
    weights = np.repeat(events.weights[mine], counts) * 0.5 ** (between / reach)
    pairs = csr_array((weights, events.item_at[others], np.append(0, stops)), shape=(len(counts), items + 1))
    owners = (np.ones(len(counts)), np.arange(len(counts)), bounds - bounds[0])
    return csr_array(owners, shape=(len(bounds) - 1, len(counts))) @ pairs


def _largest(rows: csr_array, most: int) -> csr_array:
    """The `most` largest positive values of every row; of equal ones those in the lowest columns."""
    rows.sort_indices()
    kept = rows.data > 0
    for row in np.flatnonzero(np.diff(rows.indptr) > most):
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        values = rows.data[part]
        least = np.partition(values, -most)[-most]
        equal = np.flatnonzero(values == least)[: most - int((values > least).sum())]
        kept[part] &= values > least
        kept[rows.indptr[row] + equal] = least > 0
    stops = np.append(0, np.cumsum(kept))[rows.indptr]
    return csr_array((rows.data[kept], rows.indices[kept], stops), shape=rows.shape)
