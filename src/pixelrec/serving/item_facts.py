"""All that is known of one item; a sentence in place of what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeAlias, TypeVar, final

import numpy as np
import polars as pl

from pixelrec.console.numbers import DASH
from pixelrec.data.numbering import look_up
from pixelrec.data.views import latest
from pixelrec.errors import RequestError
from pixelrec.insight.audience import Audience
from pixelrec.insight.item_place import ItemPlace, place_of
from pixelrec.insight.neighbours import Source, nearest_by_vector, source_of_vectors
from pixelrec.insight.rank_history import ranks_over_time
from pixelrec.runs.recommend import RecommendationService
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop

Missing: TypeAlias = str
"""Why something cannot be told."""
NEAR, LIKELY, RECENT = 12, 8, 6  # neighbours, users, and items of each of their histories that are shown
RANKED = 100  # users whose ranks of the item over time are computed
PAIRS = 20_000_000  # of a user and an item, compared for one answer: a fraction of a second
MOST_PAIRS = 600_000_000  # where somebody asks for more users: some seconds
FEWEST, MOST, LARGEST = 200, 2000, 20_000  # users whose lists are looked at
_T = TypeVar("_T")


@final
@dataclass(frozen=True, eq=False)
class ItemFacts:
    """Of an item that the run or the data set of the server knows; each is computed when it is asked for."""

    shop: Shop
    run: ServedRun
    item_id: str
    users: int  # whose lists are looked at, at most

    @classmethod
    def of(cls, shop: Shop, run: ServedRun, item_id: str, users: int | None = None) -> Self:
        """users: by default as many as take a fraction of a second; fewer if that would take long.

        Raises `RequestError` where neither the run nor the data set knows the item.
        """
        looked_at = users_looked_at(run.service) if users is None else min(users, most_users(run.service))
        found = cls(shop, run, item_id, looked_at)
        if not found._in_data:
            run.number(item_id)
        return found

    @cached_property
    def information(self) -> list[tuple[str, str]]:
        """The columns of the data set's information, or of what the run kept, with their values in words."""
        if self._in_data:
            assert self.shop.dataset is not None, "the item is in it"
            row = self.shop.dataset.information.row(self._in_data - 1, named=True)
        else:
            row = self.run.service.items.row(self._number - 1, named=True)
        return [(name, in_words(value)) for name, value in row.items()]

    @property
    def title(self) -> str | None:
        found = dict(self.information).get("title")
        return None if found == DASH else found

    @cached_property
    def events(self) -> int | None:
        """In training; None where they are not known."""
        if not self._number:
            return None
        found: int | None = self.run.indices.items()["events"][self._number - 1]
        return found

    @cached_property
    def source(self) -> Source:
        """Of the vectors that neighbours are compared by."""
        return source_of_vectors(self.run.service)

    @cached_property
    def near(self) -> pl.DataFrame | Missing:
        """As of `nearest_by_vector`."""
        indices, counts = self.run.indices, self.run.counts if self.run.service.own else None
        return self._or_why(
            lambda: nearest_by_vector(
                self.run.service, [self.item_id], NEAR, counts=counts, among=indices.unit_vectors()
            )
        )

    @cached_property
    def together(self) -> pl.DataFrame | Missing:
        """As of `Behaviour.nearest`."""
        return self._or_why(lambda: self.run.indices.behaviour().nearest(self.item_id, NEAR))

    @cached_property
    def over_time(self) -> pl.DataFrame | None:
        """Its events in periods, as of `EventsOverTime.frame`; None without events."""
        over, dataset = self.run.indices.over_time(), self.run.dataset
        number = 0 if dataset is None else int(look_up([self.item_id], dataset.item_ids)[0])
        found = over.frame(number) if over is not None and number else None
        return found if found is not None and found["events"].sum() else None

    @cached_property
    def ranks(self) -> pl.DataFrame | Missing:
        """As of `ranks_over_time`."""
        return self._or_why(lambda: ranks_over_time(self.run.service, self.item_id, self.ranked))

    @property
    def ranked(self) -> int:
        """Users whose ranks of the item over time are computed, at most."""
        return min(RANKED, users_looked_at(self.run.service))

    @cached_property
    def place(self) -> ItemPlace | Missing:
        """Its place in the lists of users: of all, or of some drawn with seed 0."""
        return self._or_why(lambda: place_of(Audience.of(self.run.service, self.users), [self.item_id])[0])

    @cached_property
    def _number(self) -> int:
        """In the tables of the run; 0 where it is unknown there."""
        return int(look_up([self.item_id], self.run.service.items["item_id"])[0])

    @cached_property
    def _in_data(self) -> int:
        dataset = self.shop.dataset
        return 0 if dataset is None else int(look_up([self.item_id], dataset.item_ids)[0])

    def _or_why(self, compute: Callable[[], _T]) -> _T | Missing:
        if not self._number:
            return f"{self.run.name} does not know this item: it is not in its data set"
        try:
            return compute()
        except RequestError as error:
            return str(error)


def users_looked_at(service: RecommendationService, items: int = 1) -> int:
    """Users whose lists can be looked at for one answer about some items; at most all are."""
    return min(MOST, max(FEWEST // _slowness(service), _affordable(service, PAIRS) // items))


def most_users(service: RecommendationService) -> int:
    """Users whose lists can be looked at where somebody wants to wait."""
    return min(LARGEST, max(users_looked_at(service), _affordable(service, MOST_PAIRS)))


def _affordable(service: RecommendationService, pairs: int) -> int:
    return pairs // (_slowness(service) * max(1, len(service.items)))


def _slowness(service: RecommendationService) -> int:
    """Of a model that passes every pair of a user and an item through a network."""
    return 20 if service.ranker.at_once < FEWEST else 1


@final
@dataclass(frozen=True)
class LikelyUser:
    user_id: str
    rank: int  # of the item
    recent: list[tuple[str, str | None]]  # ids and titles of the latest items, the latest last


def likely_users(run: ServedRun, place: ItemPlace) -> list[LikelyUser]:
    """The users in whose lists an item stands highest."""
    table, events, items = place.likely(LIKELY), run.service.user_events(), run.service.items
    ids = table["user_id"].to_list()
    found = events.requests(events.dataset.user_numbers(ids), ids)
    shown, _ = latest(found.histories, np.arange(1, len(ids) + 1), RECENT)
    titles = items["title"] if "title" in items.columns else pl.Series([None] * len(items))
    return [
        LikelyUser(user, rank, [(items["item_id"][n - 1], titles[n - 1]) for n in row if n])
        for user, rank, row in zip(ids, table["rank"], shown.tolist(), strict=True)
    ]


def in_words(value: object) -> str:
    """A value of a table of information."""
    if value is None or value == "":
        return DASH
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or DASH
    if isinstance(value, dict):
        return "; ".join(f"{key}: {in_words(each)}" for key, each in value.items()) or DASH
    return str(value)
