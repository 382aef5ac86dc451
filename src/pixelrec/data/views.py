"""The four ways to read training rows out of a user's history (arXiv 2309.06789, section 4).

| view | targets of a window | width of `history`, of `target` | a target is predicted from |
|---|---|---|---|
| `pairs` | one event of a user: there is no window | 0, 1 | the user |
| `next_item` | every event but the first | L, L | the events before it |
| `rest_of_window` | every event | L + 1, L + 1 | all the others |
| `cloze` | events drawn at random, which are hidden | L + 1, L + 1 | all that are not hidden |

A window is one row with all its targets, which share its events and, in many models, its computation. The
published code makes a row of each target where it trains on prefixes; so does `Windowing(rows="targets")`.

A view is three pure functions of arrays: `cut` lists, once, the stretches of events that make a row; `read`
gathers some of them for a batch; `expect` gives the expected number of times that each event is a target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pixelrec.batch import Histories
from pixelrec.hyperparameters import Fraction

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Cuts:
    """W stretches `items[starts:stops]` of the flat events.

    A stretch with an `only` target may stop there, while its window goes on to `ends`.
    """

    users: np.ndarray  # int64[W]
    starts: np.ndarray  # int64[W]
    stops: np.ndarray  # int64[W]
    only: np.ndarray | None = None  # int64[W]: flat position of the only target; none: there are several
    ends: np.ndarray | None = None  # int64[W]: end of the window that the stretch is the beginning of

    def __len__(self) -> int:
        return len(self.users)

    def take(self, index: np.ndarray) -> Cuts:
        only, ends = (None if some is None else some[index] for some in (self.only, self.ends))
        return Cuts(self.users[index], self.starts[index], self.stops[index], only, ends)


@dataclass(frozen=True)
class Rows:
    """B training rows in item numbers (not rows of a table); 0 is padding."""

    users: np.ndarray  # B
    history: np.ndarray  # B, L
    times: np.ndarray  # B, L
    target: np.ndarray  # B, T; 0 where there is nothing to predict
    window: np.ndarray  # B, W: every item of the window, none of which may be a negative


@dataclass(frozen=True)
class Windowing:
    """How a history longer than a window is cut, from its end.

    Args:
        overlap: events that neighbouring windows share; below 1 a fraction of the recipe's length. With 1
            every event but a user's first is a target of `next_item` exactly once; the published code has 0,
            so that the first event of each window is never one.
        leftover: whether the oldest events that fill no window are kept as a shorter one, or dropped as in
            the published code.
        hide: in the view `cloze`, the probability that an event of a window is hidden.
        rows: a training row is a window with all its targets, or, for `next_item` and `rest_of_window`, a
            single target with the events it is predicted from (the published code of prefix models).
    """

    overlap: int | float = 1
    leftover: Literal["keep", "drop"] = "keep"
    hide: Fraction = 0.6
    rows: Literal["windows", "targets"] = "windows"

    def shared(self, length: int) -> int:
        """Number of events that neighbouring windows share at this `length` of histories."""
        return int(self.overlap * length) if self.overlap < 1 else int(self.overlap)


def _expect_all(histories: Histories, cuts: Cuts, _windowing: Windowing) -> np.ndarray:
    return times_inside(histories, cuts.starts, cuts.stops)


@dataclass(frozen=True)
class View:
    """A way to read training rows; `avoids`: negatives are outside the row's window or the user's history."""

    cut: Callable[[Histories, int, Windowing], Cuts]
    read: Callable[[Reader, Cuts, np.random.Generator], Rows]
    expect: Callable[[Histories, Cuts, Windowing], np.ndarray] = _expect_all
    avoids: Literal["window", "history"] = "window"


def gather(values: np.ndarray, starts: np.ndarray, stops: np.ndarray, width: int) -> np.ndarray:
    """The last `width` of each `values[start:stop]`, left padded with 0: B, width."""
    position = stops[:, None] + np.arange(-width, 0)
    inside = position >= starts[:, None]
    if not len(values):
        return np.zeros_like(position)
    return np.where(inside, values[np.where(inside, position, 0)], 0)


def latest(histories: Histories, users: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last `length` items and times of some users, left padded with 0: two arrays B, L."""
    starts, stops = histories.starts[users], histories.stops[users]
    return gather(histories.items, starts, stops, length), gather(histories.times, starts, stops, length)


def seen_items(histories: Histories, users: np.ndarray) -> tuple[Tensor, Tensor]:
    """All items of these users' histories, flat, and the owner (0 … B − 1) of each."""
    from torch import from_numpy

    owners, places = places_of(histories, users)
    return from_numpy(histories.items[places].astype(np.int64)), from_numpy(owners)


def places_of(histories: Histories, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The owner (0 … B − 1) and the flat position of each event of these users: two arrays int64[E]."""
    owners, nth = _enumerate(histories.stops[users] - histories.starts[users])
    return owners, histories.starts[users][owners] + nth


def cut_windows(histories: Histories, width: int, windowing: Windowing) -> Cuts:
    """Windows of two to `width` events, cut from the end of each user's history."""
    lengths = histories.stops - histories.starts
    overlap = windowing.shared(width - 1)
    stride = width - overlap
    if windowing.leftover == "keep":
        counts = np.maximum(np.ceil((lengths - overlap) / stride), lengths > 0).astype(np.int64)
    else:
        counts = np.where(lengths <= width, lengths > 0, (lengths - overlap) // stride).astype(np.int64)
    users, nth = _enumerate(counts)
    stops = histories.stops[users] - nth * stride
    starts = np.maximum(stops - width, histories.starts[users])
    real = stops - starts >= 2
    return Cuts(users[real], starts[real], stops[real])


def _enumerate(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each owner, repeated `counts` times, and beside it 0, 1, 2, …."""
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)


def _cut_pairs(histories: Histories, _length: int, _windowing: Windowing) -> Cuts:
    users, places = places_of(histories, np.arange(len(histories.starts)))
    return Cuts(users, places, places + 1)


def _read_pairs(reader: Reader, cuts: Cuts, _rng: np.random.Generator) -> Rows:
    target = reader.histories.items[cuts.starts].astype(np.int64)[:, None]
    nothing = np.zeros((len(cuts), 0), np.int64)
    return Rows(cuts.users, nothing, nothing, target, window=target)


def _cut_next_item(histories: Histories, length: int, windowing: Windowing) -> Cuts:
    windows = cut_windows(histories, length + 1, windowing)
    if windowing.rows == "windows":
        return windows
    owner, nth = _enumerate(windows.stops - windows.starts - 1)
    starts = windows.starts[owner]
    target = starts + nth + 1
    return Cuts(windows.users[owner], starts, target + 1, only=target, ends=windows.stops[owner])


def _read_next_item(reader: Reader, cuts: Cuts, _rng: np.random.Generator) -> Rows:
    window = reader.windows(cuts.starts, cuts.stops)
    times = gather(reader.histories.times, cuts.starts, cuts.stops - 1, reader.length)
    history = window[:, :-1]
    # The first event of a short window has no events before it: it is no target.
    target = _only_target(cuts, np.where(history != 0, window[:, 1:], 0))
    if cuts.ends is not None:
        window = reader.windows(cuts.starts, cuts.ends)
    return Rows(cuts.users, history, times, target, window)


def _cut_rest_of_window(histories: Histories, length: int, windowing: Windowing) -> Cuts:
    windows = cut_windows(histories, length + 1, windowing)
    if windowing.rows == "windows":
        return windows
    owner, nth = _enumerate(windows.stops - windows.starts)
    starts = windows.starts[owner]
    return Cuts(windows.users[owner], starts, windows.stops[owner], only=starts + nth)


def _read_rest_of_window(reader: Reader, cuts: Cuts, _rng: np.random.Generator) -> Rows:
    window = reader.windows(cuts.starts, cuts.stops)
    times = gather(reader.histories.times, cuts.starts, cuts.stops, reader.length + 1)
    return Rows(cuts.users, window, times, _only_target(cuts, window), window)


def _only_target(cuts: Cuts, target: np.ndarray) -> np.ndarray:
    """`target` (B, T), which ends with the cuts' last events, reduced to the only target of each row."""
    if cuts.only is None:
        return target
    position = cuts.stops[:, None] + np.arange(-target.shape[1], 0)
    return np.where(position == cuts.only[:, None], target, 0)


def _read_cloze(reader: Reader, cuts: Cuts, rng: np.random.Generator) -> Rows:
    window = reader.windows(cuts.starts, cuts.stops)
    times = gather(reader.histories.times, cuts.starts, cuts.stops, reader.length + 1)
    hidden = (rng.random(window.shape) < reader.windowing.hide) & (window != 0)
    # deviation: every row has a target. Where none was drawn, the last event is hidden, as at inference.
    hidden[~hidden.any(axis=1), -1] = True
    return Rows(cuts.users, np.where(hidden, 0, window), times, np.where(hidden, window, 0), window)


def _expect_all_but_first(histories: Histories, cuts: Cuts, _windowing: Windowing) -> np.ndarray:
    return times_inside(histories, cuts.starts + 1, cuts.stops)


def _expect_hidden(histories: Histories, cuts: Cuts, windowing: Windowing) -> np.ndarray:
    expected = windowing.hide * times_inside(histories, cuts.starts, cuts.stops)
    np.add.at(expected, cuts.stops - 1, (1 - windowing.hide) ** (cuts.stops - cuts.starts))
    return expected


def times_inside(histories: Histories, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """int32[events]: the number of stretches that hold each event."""
    edges = np.zeros(len(histories.items) + 1, np.int32)
    np.add.at(edges, starts, 1)
    np.add.at(edges, stops, -1)
    return np.cumsum(edges[:-1], dtype=np.int32)


VIEWS: Mapping[str, View] = {
    "pairs": View(_cut_pairs, _read_pairs, avoids="history"),
    "next_item": View(_cut_next_item, _read_next_item, _expect_all_but_first),
    "rest_of_window": View(_cut_rest_of_window, _read_rest_of_window),
    "cloze": View(lambda h, length, w: cut_windows(h, length + 1, w), _read_cloze, _expect_hidden),
}


@dataclass(frozen=True)
class Reader:
    """A view of histories, read by row number."""

    view: View
    histories: Histories
    cuts: Cuts
    length: int
    windowing: Windowing

    @classmethod
    def over(cls, view: View, histories: Histories, length: int, windowing: Windowing) -> Reader:
        return cls(view, histories, view.cut(histories, length, windowing), length, windowing)

    def __len__(self) -> int:
        return len(self.cuts)

    def read(self, index: np.ndarray, rng: np.random.Generator) -> Rows:
        return self.view.read(self, self.cuts.take(index), rng)

    def windows(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The items of stretches of at most L + 1 events: int64[B, L + 1]."""
        return gather(self.histories.items, starts, stops, self.length + 1).astype(np.int64)

    def target_counts(self, items: int) -> np.ndarray:
        """float64[items + 1]: the expected number of times that each item is a target in an epoch."""
        events, cuts = self.histories.items, self.cuts
        if cuts.only is not None:
            return np.bincount(events[cuts.only], minlength=items + 1).astype(np.float64)
        expected = self.view.expect(self.histories, cuts, self.windowing)
        return np.bincount(events, expected, minlength=items + 1)
