"""What questions about single items need of the whole catalogue: made when first asked for, then kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Literal, TypeAlias, final

import numpy as np
import polars as pl

from pixelrec.data.views import places_of
from pixelrec.insight.behaviour import Behaviour
from pixelrec.insight.neighbours import UnitVectors
from pixelrec.insight.rank_history import EventsOverTime
from pixelrec.runs.recommend import RecommendationService

Order: TypeAlias = Literal["popular", "rare", "new", "title", "id"]
ORDERS: dict[Order, tuple[str, str, bool]] = {  # name, column, descending
    "popular": ("most events", "events", True),
    "rare": ("fewest events", "events", False),
    "new": ("newest", "first", True),  # those without events are the newest
    "title": ("title", "title", False),
    "id": ("id", "item_id", False),
}


@final
@dataclass(frozen=True, eq=False)
class Indices:
    """Of the items of one run. One thread makes an index while the others wait: they are large."""

    service: RecommendationService
    _making: Lock = field(default_factory=Lock, repr=False)

    def unit_vectors(self) -> UnitVectors:
        """Raises `RequestError` for a blend."""
        with self._making:
            return self._unit_vectors

    def behaviour(self) -> Behaviour:
        """Raises `RequestError` where the training events are not there."""
        with self._making:
            return self._behaviour

    def over_time(self) -> EventsOverTime | None:
        """None without a data set."""
        with self._making:
            return self._over_time

    def items(self) -> pl.DataFrame:
        """A row for each item: `item_id`, `title`, `events`, `first` and `text`, which searches look in.

        events: in training; null without the data. first: seconds of the first event, null without any.
        """
        with self._making:
            return self._items

    @property
    def orders(self) -> list[Order]:
        """Those that differ from the order of the catalogue."""
        table = self.items()
        return [order for order, (_, column, _) in ORDERS.items() if table[column].drop_nulls().len()]

    def found(self, words: str, order: Order) -> pl.DataFrame:
        """The rows of the items whose id or title has all the words."""
        table, (_, column, descending) = self.items(), ORDERS[order]
        for word in words.lower().split():
            table = table.filter(pl.col("text").str.contains(word, literal=True))
        return table.sort(column, descending=descending, nulls_last=order != "new", maintain_order=True)

    @cached_property
    def _unit_vectors(self) -> UnitVectors:
        return UnitVectors.of(self.service)

    @cached_property
    def _behaviour(self) -> Behaviour:
        return Behaviour.of(self.service)

    @cached_property
    def _over_time(self) -> EventsOverTime | None:
        events = self.service.events
        return None if events is None else EventsOverTime.of(events.dataset)

    @cached_property
    def _items(self) -> pl.DataFrame:
        items, count = self.service.items, len(self.service.items)
        absent = pl.Series([None] * count, dtype=pl.String)
        ids, title = items["item_id"], items["title"] if "title" in items.columns else absent
        text = (ids + "\n" + title.fill_null("")).str.to_lowercase()
        columns = {"item_id": ids, "title": title, "text": text}
        return pl.DataFrame({**columns, **_events(self.service, count)})


def _events(service: RecommendationService, count: int) -> dict[str, pl.Series]:
    """Columns `events` and `first` of the items."""
    if service.own is None:
        absent = pl.Series([None] * count, dtype=pl.Int64)
        return {"events": absent, "first": absent}
    history = service.run.training_events(service.own)
    _, places = places_of(history, np.arange(1, service.own.users + 1))
    events = np.bincount(history.items[places], minlength=count + 1)
    first = np.full(count + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, history.items[places], history.times[places])
    unseen = pl.Series(events[1:] == 0)
    return {"events": pl.Series(events[1:]), "first": pl.Series(first[1:]).set(unseen, None)}
