"""Events in the order in which users had them, and the last of each user apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pixelrec.choices import Repeats
from pixelrec.errors import DataError, option

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
    """`events` by user, perhaps `split`, then time, then place in the file.

    Stable sorts, the least significant key first.
    """
    for key in ("fraction", "seconds", "split", "user"):
        if key in events.columns:
            events = events.sort(key, maintain_order=True)
    return events


def without_repeats(events: pl.DataFrame, repeats: Repeats) -> tuple[pl.DataFrame, int]:
    """`events`, which are in order, and the number of those with user, item and time of an earlier one.

    Times are compared as they were given, with their `fraction`. "drop" leaves the repeats out, "first" and
    "last" all events of a user with an item but one.
    """
    items, with_previous = events["item"].to_numpy(), _with_previous(events)
    rows = np.flatnonzero(_tied(with_previous))  # few: only they are looked at one by one
    moments = np.cumsum(~with_previous)[rows]
    pairs = pl.Series(moments * (int(items.max()) + 1) + items[rows])
    again = rows[~pairs.is_first_distinct().to_numpy()]
    if repeats in ("first", "last"):
        pairs = pl.Series(events["user"].to_numpy().astype(np.int64) * (int(items.max()) + 1) + items)
        events = events.filter(pairs.is_first_distinct() if repeats == "first" else pairs.is_last_distinct())
    elif repeats == "drop" and len(again):
        kept = np.ones(len(items), bool)
        kept[again] = False
        events = events.filter(pl.Series(kept))
    return events, len(again)


def ties(events: pl.DataFrame) -> int:
    """The number of `events`, which are in order, that have the time of another one of their user."""
    return int(_tied(_with_previous(events)).sum())


def _with_previous(events: pl.DataFrame) -> np.ndarray:
    """bool[events]: of the user and time of the one before."""
    moment = [events[name].to_numpy() for name in ("user", "seconds", "fraction") if name in events.columns]
    return np.append(False, np.logical_and.reduce([values[1:] == values[:-1] for values in moment]))


def _tied(with_previous: np.ndarray) -> np.ndarray:
    return with_previous | np.append(with_previous[1:], False)


def hold_out(events: pl.DataFrame, users: int, chosen: np.ndarray | None = None) -> Sequences:
    """Separates the last event of every user with at least three from the others.

    Args:
        events: `user`, `item` and `seconds`, in order.
        users: n; numbers without events are allowed and are not evaluated.
        chosen: bool[n + 1]: the users who may be evaluated; by default all.
    """
    counts = np.bincount(events["user"].to_numpy(), minlength=users + 1)
    evaluated = counts >= SHORTEST
    if chosen is not None:
        evaluated &= chosen
    last = np.cumsum(counts)[evaluated] - 1
    items, times = events["item"].to_numpy(), events["seconds"].to_numpy()
    held_items, held_times = np.zeros(users + 1, np.int32), np.zeros(users + 1, np.int64)
    held_items[evaluated], held_times[evaluated] = items[last], times[last]
    kept = np.ones(len(items), bool)
    kept[last] = False
    offsets = np.concatenate([[0], np.cumsum(counts - evaluated)])
    return Sequences(offsets, items[kept], times[kept], evaluated, held_items, held_times)


def evaluated_by(events: pl.DataFrame, users: int) -> np.ndarray:
    """bool[users + 1]: those with a validation and a test event, by the `split` of the events: 0, 1 or 2.

    Raises:
        DataError: a user has others than one of each after at least one training event, or none of both.
    """
    owners, split = events["user"].to_numpy(), events["split"].to_numpy()
    counts = np.stack([np.bincount(owners[split == part], minlength=users + 1) for part in range(3)])
    evaluated = (counts[1] == 1) & (counts[2] == 1) & (counts[0] > 0)
    odd = ~evaluated & (counts[1:].sum(0) > 0)
    if odd.any():
        train, valid, test = counts[:, np.argmax(odd)].tolist()
        raise DataError(
            f"the given split cannot be kept: {int(odd.sum()):,} of {users:,} users have other than one "
            "validation and one test event after training events, the first of them "
            f"{valid} and {test} after {train}; hold out the last two events of each user instead, with "
            f"{option('split', 'leave-one-out')}"
        )
    return evaluated
