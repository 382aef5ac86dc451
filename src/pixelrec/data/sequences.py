"""Events ordered user by user, and the last event of each user held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

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
    return events.drop("fraction", strict=False)


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
