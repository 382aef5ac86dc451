"""How alike items are, by who took them and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

import numpy as np

from pixelrec.baselines.events import FlatEvents
from pixelrec.batch import Histories

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_LONGEST = 2_000  # latest events of a user that count: the pairs of all of them may be too many
_PAIRS = 8_000_000  # of events at a time: some hundred MB


@final
@dataclass(frozen=True)
class Taken:
    """The latest event of every user with every item they took: E, in the order of items."""

    items: np.ndarray  # int64[E]
    places: np.ndarray  # int64[E]: where each stands in the order of users
    starts: np.ndarray  # int64[E]: its user's events stand at [starts:stops]
    stops: np.ndarray  # int64[E]
    weights: np.ndarray  # float64[E]: its user's, 1 / √(items taken), scaled to a mean of 1
    item_at: np.ndarray  # int64[E]: by place
    moment_at: np.ndarray  # int64[E]: by place

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
            events.moments(),
        )


def similarity(taken: Taken, items: int, *, reach: float, shrinkage: float, neighbours: int) -> csr_array:
    """Row by row the `neighbours` largest similarities of each item to others: float64[N + 1, N + 1].

    A shrunk cosine, c_ij / (√(c_i · c_j) + shrinkage): c_i sums the weights of the users who took i, c_ij
    those of the users who took both, each times 0.5 ** (moments between the two / reach).
    """
    from scipy.sparse import vstack

    sizes = np.sqrt(np.bincount(taken.items, taken.weights, items + 1))
    bounds = np.searchsorted(taken.items, np.arange(items + 2))
    parts = []
    for start, stop in _portions(taken, bounds):
        together = _together(taken, bounds[start : stop + 1], items, reach)
        rows = np.repeat(np.arange(start, stop), np.diff(together.indptr))
        together.data /= sizes[rows] * sizes[together.indices] + shrinkage
        together.data[rows == together.indices] = 0.0
        parts.append(_largest(together, neighbours))
    return vstack(parts, format="csr")


def _portions(taken: Taken, bounds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of items with at most `_PAIRS` pairs of events to look at, or of one item."""
    pairs = np.append(0, np.cumsum(taken.stops - taken.starts))[bounds]
    start, last = 0, len(bounds) - 1
    while start < last:
        stop = int(np.searchsorted(pairs, pairs[start] + _PAIRS, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def _together(taken: Taken, bounds: np.ndarray, items: int, reach: float) -> csr_array:
    """c of some items (rows) with all: the events of row r are `taken`'s [bounds[r]:bounds[r + 1]]."""
    from scipy.sparse import csr_array

    mine = slice(bounds[0], bounds[-1])
    starts, counts = taken.starts[mine], (taken.stops - taken.starts)[mine]
    stops = np.cumsum(counts)
    others = np.arange(counts.sum()) + np.repeat(starts - (stops - counts), counts)
    between = np.abs(np.repeat(taken.moment_at[taken.places[mine]], counts) - taken.moment_at[others])
    weights = np.repeat(taken.weights[mine], counts) * 0.5 ** (between / reach)
    pairs = csr_array((weights, taken.item_at[others], np.append(0, stops)), shape=(len(counts), items + 1))
    events = (np.ones(len(counts)), np.arange(len(counts)), bounds - bounds[0])
    return csr_array(events, shape=(len(bounds) - 1, len(counts))) @ pairs


def _largest(rows: csr_array, most: int) -> csr_array:
    """At most the `most` largest positive values of every row; of equal ones those of the lowest columns."""
    from scipy.sparse import csr_array

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
