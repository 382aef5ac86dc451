"""Events in the order in which users had them, and the last of each user apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pixelrec.choices import Repeats

SHORTEST = 3  # events of an evaluated user: one to train on, one to validate, one to test


@dataclass(frozen=True)
class Sequences:
    """Flat, time-ordered events of users 1 … n without the test events, and the test events apart."""

    offsets: np.ndarray  # int64[n + 2]: events of user u are [offsets[u]:offsets[u + 1]]; user 0 has none
    items: np.ndarray  # int32[events]
    times: np.ndarray  # int64[events]: unix seconds
    evaluated: np.ndarray  # bool[n + 1]: the user has a test event
    held_items: np.ndarray  # int32[n + 1]: the test event, 0 where there is none
    held_times: np.ndarray  # int64[n + 1]


def in_order(events: pl.DataFrame) -> pl.DataFrame:
    """`events` by user, then time, then place in the file: stable sorts, the least significant key first."""
    for key in ("fraction", "seconds", "user"):
        if key in events.columns:
            events = events.sort(key, maintain_order=True)
    return events


def without_repeats(events: pl.DataFrame, repeats: Repeats) -> tuple[pl.DataFrame, int]:
    """`events`, which are in order, and the number of those with user, item and time of an earlier one.

    Times are compared as they were given, with their `fraction`; "drop" leaves the repeats out.
    """
    moment = [events[name].to_numpy() for name in ("user", "seconds", "fraction") if name in events.columns]
    items = events["item"].to_numpy()
    with_previous = np.zeros(len(items), bool)
    with_previous[1:] = np.logical_and.reduce([values[1:] == values[:-1] for values in moment])
    with_next = np.append(with_previous[1:], False)
    rows = np.flatnonzero(with_previous | with_next)  # few: only they are looked at one by one
    moments = np.cumsum(~with_previous)[rows]
    pairs = pl.Series(moments * (int(items.max()) + 1) + items[rows])
    again = rows[~pairs.is_first_distinct().to_numpy()]
    if repeats == "drop" and len(again):
        kept = np.ones(len(items), bool)
        kept[again] = False
        events = events.filter(pl.Series(kept))
    return events, len(again)


def hold_out(events: pl.DataFrame, users: int) -> Sequences:
    """Separates the last event of every user with at least three from the others.

    Args:
        events: `user`, `item` and `seconds`, in order.
        users: n; numbers without events are allowed and are not evaluated.
    """
    counts = np.bincount(events["user"].to_numpy(), minlength=users + 1)
    evaluated = counts >= SHORTEST
    last = np.cumsum(counts)[evaluated] - 1
    items, times = events["item"].to_numpy(), events["seconds"].to_numpy()
    held_items, held_times = np.zeros(users + 1, np.int32), np.zeros(users + 1, np.int64)
    held_items[evaluated], held_times[evaluated] = items[last], times[last]
    kept = np.ones(len(items), bool)
    kept[last] = False
    offsets = np.concatenate([[0], np.cumsum(counts - evaluated)])
    return Sequences(offsets, items[kept], times[kept], evaluated, held_items, held_times)
