"""The four ways to read training rows out of a user's line of events (arXiv 2309.06789, section 4).

| view | targets of a window | width of `history`, of `target` | a target is predicted from |
|---|---|---|---|
| `pairs` | one event of a user: there is no window | 0, 1 | the user |
| `next_item` | every event but the first | L, L | the events before it |
| `rest_of_window` | every event | L + 1, L + 1 | all the others |
| `cloze` | events drawn at random, which are hidden | L + 1, L + 1 | all that are not hidden |

A window is one row with all its targets: what they share is read, and by many models computed, once. The
published code makes a row of each target where it trains on prefixes; so does `Windowing(rows="targets")`.

A view is two pure functions: `cut` lists the stretches of events that make a row, once; `read` gathers some
of them, for a batch. Both are array operations; nothing is copied per target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pixelrec.batch import Histories
from pixelrec.hyperparameters import Fraction


@dataclass(frozen=True)
class Cuts:
    """W stretches `items[starts:stops]` of the flat events, and perhaps the only target in each.

    A stretch that ends at its only target is a part of a window that goes on to `ends`.
    """

    users: np.ndarray  # int64[W]
    starts: np.ndarray  # int64[W]
    stops: np.ndarray  # int64[W]
    only: np.ndarray | None = None  # int64[W]: flat position of the target; none: all that the view makes one
    ends: np.ndarray | None = None  # int64[W]: where the window ends, which a row may be the beginning of

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
    target: np.ndarray  # B, T; 0 where nothing is asked
    window: np.ndarray  # B, W: every item of the window: what a negative must not be


@dataclass(frozen=True)
class Windowing:
    """How a line of events longer than a window is cut, from its end.

    Args:
        overlap: events that neighbouring windows share; below 1 it is a share of the recipe's length. With 1
            every event but a user's first is a target of `next_item` exactly once; the published code has 0,
            so that the first event of each window is never one.
        leftover: what becomes of the oldest events that fill no window: kept as a shorter one, or dropped as
            in the published code.
        hide: `cloze` only: the share of a window that is hidden.
        rows: a training row is a window with all its targets, or, for `next_item` and `rest_of_window`, one
            of the targets with what it is predicted from (the published code of prefix models).
    """

    overlap: int | float = 1
    leftover: Literal["keep", "drop"] = "keep"
    hide: Fraction = 0.6
    rows: Literal["windows", "targets"] = "windows"

    def shared(self, length: int) -> int:
        """Events that neighbouring windows share, where `length` are looked at."""
        return int(self.overlap * length) if self.overlap < 1 else int(self.overlap)


@dataclass(frozen=True)
class View:
    """A named way to read training rows; `avoids` says what a row's negatives must not be."""

    cut: Callable[[Histories, int, Windowing], Cuts]
    read: Callable[[Histories, Cuts, int, Windowing, np.random.Generator], Rows]
    avoids: Literal["window", "history"] = "window"


def gather(values: np.ndarray, starts: np.ndarray, stops: np.ndarray, width: int) -> np.ndarray:
    """The last `width` of each `values[start:stop]`, left padded with 0: B, width."""
    position = stops[:, None] + np.arange(-width, 0)
    inside = position >= starts[:, None]
    return (
        np.where(inside, values[np.where(inside, position, 0)], 0) if len(values) else np.zeros_like(position)
    )


def latest(histories: Histories, users: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last `length` items and times of some users, left padded with 0: two arrays B, L."""
    starts, stops = histories.starts[users], histories.stops[users]
    return gather(histories.items, starts, stops, length), gather(histories.times, starts, stops, length)


def seen_items(histories: Histories, users: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """All items of these users' histories, flat, and to which of the users (0 … B − 1) each belongs."""
    lengths = histories.stops[users] - histories.starts[users]
    owners, nth = _enumerate(lengths)
    seen = histories.items[histories.starts[users][owners] + nth]
    return torch.from_numpy(seen.astype(np.int64)), torch.from_numpy(owners)


def cut_windows(histories: Histories, width: int, windowing: Windowing) -> Cuts:
    """Windows of at most `width` events and at least two, cut from the end of each user's line."""
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
    """For each owner its number, `counts` times, beside 0, 1, 2, …."""
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)


def _cut_pairs(histories: Histories, _length: int, _windowing: Windowing) -> Cuts:
    users, nth = _enumerate(histories.stops - histories.starts)
    starts = histories.starts[users] + nth
    return Cuts(users, starts, starts + 1)


def _read_pairs(
    histories: Histories, cuts: Cuts, _length: int, _windowing: Windowing, _rng: np.random.Generator
) -> Rows:
    target = histories.items[cuts.starts].astype(np.int64)[:, None]
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


def _read_next_item(
    histories: Histories, cuts: Cuts, length: int, _windowing: Windowing, _rng: np.random.Generator
) -> Rows:
    window = gather(histories.items, cuts.starts, cuts.stops, length + 1).astype(np.int64)
    times = gather(histories.times, cuts.starts, cuts.stops - 1, length)
    history = window[:, :-1]
    # The first event of a short window has nothing before it: it is no target.
    target = np.where(history != 0, window[:, 1:], 0)
    whole = (
        window
        if cuts.ends is None
        else gather(histories.items, cuts.starts, cuts.ends, length + 1).astype(np.int64)
    )
    return Rows(cuts.users, history, times, _only_target(cuts, target), whole)


def _cut_leave_one_out(histories: Histories, length: int, windowing: Windowing) -> Cuts:
    windows = cut_windows(histories, length + 1, windowing)
    if windowing.rows == "windows":
        return windows
    owner, nth = _enumerate(windows.stops - windows.starts)
    starts = windows.starts[owner]
    return Cuts(windows.users[owner], starts, windows.stops[owner], only=starts + nth)


def _read_leave_one_out(
    histories: Histories, cuts: Cuts, length: int, _windowing: Windowing, _rng: np.random.Generator
) -> Rows:
    window = gather(histories.items, cuts.starts, cuts.stops, length + 1).astype(np.int64)
    times = gather(histories.times, cuts.starts, cuts.stops, length + 1)
    return Rows(cuts.users, window, times, _only_target(cuts, window), window)


def _only_target(cuts: Cuts, target: np.ndarray) -> np.ndarray:
    """`target` (B, T), which ends with the cuts' last events, without those that are not asked."""
    if cuts.only is None:
        return target
    position = cuts.stops[:, None] + np.arange(-target.shape[1], 0)
    return np.where(position == cuts.only[:, None], target, 0)


def _cut_cloze(histories: Histories, length: int, windowing: Windowing) -> Cuts:
    return cut_windows(histories, length + 1, windowing)


def _read_cloze(
    histories: Histories, cuts: Cuts, length: int, windowing: Windowing, rng: np.random.Generator
) -> Rows:
    window = gather(histories.items, cuts.starts, cuts.stops, length + 1).astype(np.int64)
    times = gather(histories.times, cuts.starts, cuts.stops, length + 1)
    hidden = (rng.random(window.shape) < windowing.hide) & (window != 0)
    # deviation: a row must ask something. Where chance hid nothing, its last event is, as at inference.
    hidden[~hidden.any(axis=1), -1] = True
    return Rows(cuts.users, np.where(hidden, 0, window), times, np.where(hidden, window, 0), window)


VIEWS: Mapping[str, View] = {
    "pairs": View(_cut_pairs, _read_pairs, avoids="history"),
    "next_item": View(_cut_next_item, _read_next_item),
    "rest_of_window": View(_cut_leave_one_out, _read_leave_one_out),
    "cloze": View(_cut_cloze, _read_cloze),
}


@dataclass(frozen=True)
class Reader:
    """A view of some histories, ready to be read by row number."""

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
        return self.view.read(self.histories, self.cuts.take(index), self.length, self.windowing, rng)
