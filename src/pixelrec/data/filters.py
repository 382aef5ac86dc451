"""The events that options of `prepare` leave, and the number of rows that each leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, final

import polars as pl

from pixelrec.choices import Repeats
from pixelrec.data.core import core_of
from pixelrec.data.interactions import Interactions
from pixelrec.data.sequences import in_order, without_repeats
from pixelrec.data.statistics import flags


@final
@dataclass(frozen=True)
class Filtered:
    """Interactions in order; users and items without events are left out."""

    read: Interactions
    exact_repeats: int  # rows of a user, item and time that an earlier row has too
    left_out: Mapping[str, int]  # names of options, separated by commas → rows

    @classmethod
    def of(cls, read: Interactions, repeats: Repeats, least: Mapping[str, int]) -> Self:
        """Filters by repeats, and then by the core; low ratings were left out while reading.

        least: `min_user_events` and `min_item_events`.

        Raises:
            DataError: nothing would be left.
        """
        events, exact = without_repeats(in_order(read.events), repeats)
        left_out = {"min_rating": read.lower_rated, "repeats": read.events.height - events.height}
        read = replace(read, events=events)
        if options := [name for name, count in least.items() if count > 1]:
            read = _core(read, least["min_user_events"], least["min_item_events"])
            left_out[", ".join(options)] = events.height - read.events.height
        return cls(read, exact, left_out)

    def __str__(self) -> str:
        """Of what is left out, for messages: ", without 4 rows left out by --repeats"."""
        texts = [f"{rows:,} rows left out by {flags(names)}" for names, rows in self.left_out.items() if rows]
        return f", without {' and '.join(texts)}" if texts else ""


def _core(read: Interactions, of_user: int, of_item: int) -> Interactions:
    """Without users and items of few events."""
    core = core_of(read.events, len(read.user_ids), len(read.item_ids), of_user=of_user, of_item=of_item)
    users, items = (
        ids.filter(pl.Series(kept[1:]))
        for ids, kept in ((read.user_ids, core.users), (read.item_ids, core.items))
    )
    return replace(read, events=core.events, user_ids=users, item_ids=items)
