"""An item over time: how often it was chosen, how popular that made it, and how a run ranks it each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np
import polars as pl

from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset
from pixelrec.data.views import places_of, seen_items
from pixelrec.runs.recommend import RecommendationService

PERIODS, EVENTS = 12, 500


@final
@dataclass(frozen=True, eq=False)
class EventsOverTime:
    """The events of every item in periods of equal length, the test events left out."""

    edges: np.ndarray  # int64[P + 1]: unix seconds, or places of rows where the data has no times
    counts: np.ndarray  # int64[P, N + 1]

    @classmethod
    def of(cls, dataset: Dataset, periods: int = PERIODS) -> Self:
        """One pass over the events: keep it, for many items."""
        times, items = dataset.event_times, dataset.items + 1
        first, last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        edges = np.linspace(first, last + 1, periods + 1).astype(np.int64)
        period = np.searchsorted(edges[1:-1], times, side="right")
        flat = np.bincount(period * items + dataset.event_items, minlength=periods * items)
        return cls(edges, flat.reshape(periods, items))

    def frame(self, item: int) -> pl.DataFrame:
        """A row for each period: `start`, `stop`, `events`, `popularity_rank` and `items`.

        popularity_rank: 1 + the number of items with more events in the period; null without events.
        items: with events in the period.
        """
        own = self.counts[:, item]
        ranks = 1 + (self.counts[:, 1:] > own[:, None]).sum(1)
        columns = {
            "start": self.edges[:-1],
            "stop": self.edges[1:],
            "events": own,
            "popularity_rank": pl.Series(ranks).set(pl.Series(own == 0), None),
            "items": (self.counts[:, 1:] > 0).sum(1),
        }
        return pl.DataFrame(columns)


def ranks_over_time(
    service: RecommendationService, item_id: str, most: int = EVENTS, seed: int = 0
) -> pl.DataFrame:
    """The exact rank of an item in the list of each user just before the user chose it, oldest first.

    Columns `time` (unix seconds), `user_id`, `rank`, `score`, `known` (earlier events of the user) and
    `split` (training, validation or test; null for other data than that of the training). A model has
    seen the training events, so its ranks there say how well it remembers, those of the others how well it
    predicts. Repeats are left out, and first events of users unless the model has a vector for each user.

    Args:
        service: with the events of users.
        item_id: an item of the service.
        most: users, at most; of more, some are drawn.
        seed: of the draw.
    """
    events = service.user_events()
    item = int(service.numbering.demand("item", [item_id])[0])
    users = _users_with(events.dataset, item_id, most, seed)
    requests = events.requests(users, ())
    owners, places = _first_choices(requests.histories, item, len(users))
    starts = requests.histories.starts[owners + 1]
    if not service.ranker.needs_known_user:
        owners, places, starts = (each[places > starts] for each in (owners, places, starts))
    before = Histories(requests.histories.items, requests.histories.times, np.r_[0, starts], np.r_[0, places])
    ranks, scores = _ranks(service, item, before, requests.users[owners])
    left = requests.histories.stops[owners + 1] - places
    columns = {
        "time": requests.histories.times[places],
        "user_id": events.dataset.user_ids.gather(users[owners] - 1),
        "rank": ranks,
        "score": scores,
        "known": places - starts,
        "split": _splits(service, users[owners], left),
    }
    return pl.DataFrame(columns).sort("time", maintain_order=True)


def _users_with(dataset: Dataset, item_id: str, most: int, seed: int) -> np.ndarray:
    """Numbers of users who have an item, `most` of them at most."""
    found = (dataset.item_ids == item_id).arg_true() + 1
    if not len(found):
        return np.zeros(0, np.int64)
    places = np.flatnonzero(dataset.event_items == found[0])
    owners = np.searchsorted(dataset.offsets, places, side="right") - 1
    users = np.union1d(owners, np.flatnonzero(dataset.held_out().items == found[0]))
    if len(users) > most:
        users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
    return users.astype(np.int64)


def _first_choices(histories: Histories, item: int, users: int) -> tuple[np.ndarray, np.ndarray]:
    """The user (0 … B − 1) and the flat place of each user's first event of an item."""
    owners, places = places_of(histories, np.arange(1, users + 1))
    mine = histories.items[places] == item
    owners, first = np.unique(owners[mine], return_index=True)
    return owners, places[mine][first]


def _ranks(
    service: RecommendationService, item: int, before: Histories, users: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    parts = [(np.zeros((0, 1), np.int64), np.zeros((0, 1)))]
    for start in range(0, len(users), service.ranker.at_once):
        rows = np.arange(start, min(start + service.ranker.at_once, len(users))) + 1
        hidden = seen_items(before, rows)
        parts.append(service.ranker.ranks_of([item], before, rows, users[rows - 1], *hidden))
    ranks, scores = (np.concatenate(each)[:, 0] for each in zip(*parts, strict=True))
    return ranks, scores


def _splits(service: RecommendationService, users: np.ndarray, left: np.ndarray) -> pl.Series:
    """left: events from the one that is ranked to the last, both included."""
    events = service.user_events()
    if events.numbers is not None:
        return pl.Series([None] * len(users), dtype=pl.String)
    held = np.where(events.dataset.evaluated[users] & (not service.run.is_final), left, 3)
    return pl.Series(np.array(["", "test", "validation", "training"])[held.clip(max=3)], dtype=pl.String)
