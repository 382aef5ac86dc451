"""The k-core of events: without users and items of few events, again and again until there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl

from pixelrec.errors import DataError


@final
@dataclass(frozen=True)
class Core:
    """Events of the users and items that are kept, in the order they had and in new numbers."""

    events: pl.DataFrame
    users: np.ndarray  # bool[users + 1], by old number
    items: np.ndarray  # bool[items + 1]


def core_of(events: pl.DataFrame, users: int, items: int, *, of_user: int, of_item: int) -> Core:
    """Leaves out users with fewer than `of_user` events, and items with fewer than `of_item`, until all have.

    Args:
        events: `user` and `item`, numbers from 1, among others.
        users, items: the largest numbers.
        of_user, of_item: the least number of events.

    Raises:
        DataError: nothing would be left.
    """
    owners, taken = events["user"].to_numpy(), events["item"].to_numpy()
    kept = np.ones(len(owners), bool)
    while True:
        often = np.bincount(owners[kept], minlength=users + 1) >= of_user
        popular = np.bincount(taken[kept], minlength=items + 1) >= of_item
        left = kept & often[owners] & popular[taken]
        if left.sum() == kept.sum():
            break
        kept = left
    if not kept.any():
        raise DataError(
            f"no events are left if users have at least {of_user} and items at least {of_item}, as one takes "
            "the other away; lower --min-user-events or --min-item-events"
        )
    has_events = [
        np.bincount(values[kept], minlength=n + 1) > 0 for values, n in ((owners, users), (taken, items))
    ]
    renumbered = {
        name: new_numbers(mask)[values[kept]]
        for name, mask, values in zip(("user", "item"), has_events, (owners, taken), strict=True)
    }
    rows = events if kept.all() else events.filter(pl.Series(kept))
    return Core(rows.with_columns(**{key: pl.Series(each) for key, each in renumbered.items()}), *has_events)


def new_numbers(kept: np.ndarray) -> np.ndarray:
    """int32: the new number of each old one that is kept; number 0 stays 0."""
    return np.cumsum(kept, dtype=np.int32) - np.int32(kept[0])
