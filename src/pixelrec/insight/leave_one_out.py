"""The events of a history that carry a recommendation: its rank and score without each of them, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import polars as pl
import torch

from pixelrec.batch import Histories
from pixelrec.data.id_types import IdTypes
from pixelrec.data.views import seen_items
from pixelrec.errors import RequestError
from pixelrec.runs.histories import Requests
from pixelrec.runs.recommend import RecommendationService

BLEND, MOST = 100, 1000  # events of a history that are left out for a blend: by default, and at most


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """The rank and the score of an item after a history, and after it without each of its events.

    The items of the whole history are never candidates, so all ranks are among the same items.
    """

    item_id: str
    title: str | None
    rank: int  # 1 is best
    score: float
    items: int  # that are ranked
    frame: pl.DataFrame  # a row per event, the latest first; see `leave_one_out`
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        about = {"item_id": self.item_id, "title": self.title, "rank": self.rank, "score": self.score}
        return {**about, "items": self.items, "events": self.frame.to_dicts()}


def leave_one_out(
    service: RecommendationService, past: Requests, items: Sequence[str], *, latest: int | None = None
) -> list[Explanation]:
    """Why items are recommended after a history, one `Explanation` for each.

    The frame of each has the columns `event` (1 is the latest), `item_id`, `title` if there are titles,
    `score` and `rank` without the event, `score_change` (positive: the event speaks for the item) and
    `rank_change` (positive: without the event, the item stands so many places lower). An event is left out
    as if it had never happened: earlier ones move up, also into the window of a model that sees the latest
    events only.

    Args:
        service: of any run whose model looks at histories.
        past: one history, of `past_of`.
        items: ids of items.
        latest: only that many of the latest events are left out in turn, at most those that the model sees;
            by default all of these, and one hundred of a blend.

    Raises:
        RequestError: an item is unknown or in the history, or the model looks at no history.
    """
    if not service.ranker.looks_at_histories:
        raise RequestError(
            f"{service.ranker.needs_known_user} has one vector for each user and looks at no history: there "
            "is no event to leave out; take a model of histories, such as sasrec-id"
        )
    numbers, events = service.numbering.demand("item", items), past.histories.items.astype(np.int64)
    if known := [item for item, number in zip(items, numbers, strict=True) if number in events]:
        raise RequestError(f"{known[0]!r} is in the history, and items of the history are not recommended")
    left_out = _without_each(past.histories, min(_window(service, latest), len(events)))
    ranks, scores = _ranks(service, numbers, left_out, int(past.users[0]))
    return [
        _explanation(service, past, int(number), ranks[:, column], scores[:, column])
        for column, number in enumerate(numbers)
    ]


def _window(service: RecommendationService, latest: int | None) -> int:
    """Events that are left out in turn."""
    if service.trained is None:
        return min(latest or BLEND, MOST)
    seen = service.trained.recommender.spec.length
    return min(latest or seen, seen)


def _without_each(histories: Histories, count: int) -> Histories:
    """That of user 1 whole, then without the latest event, without the one before, …, `count` in all."""
    whole = np.arange(histories.starts[1], histories.stops[1])
    kept = [whole, *(np.delete(whole, place) for place in range(len(whole))[::-1][:count])]
    places = np.concatenate(kept)
    lengths = [len(each) for each in kept]
    return Histories.of_stops(histories.items[places], histories.times[places], np.cumsum(lengths))


def _ranks(
    service: RecommendationService, items: np.ndarray, histories: Histories, user: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks and scores [E, T] of T items after E histories, all without the items of the first, whole one."""
    parts, chosen = [], [int(item) for item in items]
    hidden, _ = seen_items(histories, np.array([1]))
    for rows in _blocks(len(histories.starts) - 1, service.ranker.at_once):
        owners = torch.arange(len(rows)).repeat_interleave(len(hidden))
        asked = histories, rows, np.full(len(rows), user), hidden.repeat(len(rows)), owners
        parts.append(service.ranker.ranks_of(chosen, *asked))
    ranks, scores = zip(*parts, strict=True)
    return np.concatenate(ranks), np.concatenate(scores)


def _blocks(count: int, size: int) -> Iterator[np.ndarray]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count)) + 1


def _explanation(
    service: RecommendationService, past: Requests, number: int, ranks: np.ndarray, scores: np.ndarray
) -> Explanation:
    """ranks, scores: of the item after the whole history, and without each event."""
    items = past.histories.items
    (item_id, title), events = _named(service, [number])[0], _named(service, items[::-1][: len(ranks) - 1])
    unseen = len(service.items) - len(np.unique(items))
    columns = {
        "event": np.arange(1, len(events) + 1),
        "item_id": [event for event, _ in events],
        "title": [title for _, title in events],
        "score": scores[1:],
        "score_change": scores[0] - scores[1:],
        "rank": ranks[1:],
        "rank_change": ranks[1:] - ranks[0],
    }
    if "title" not in service.items.columns:
        del columns["title"]
    notes = (*service.notes, *past.notes)
    return Explanation(item_id, title, int(ranks[0]), float(scores[0]), unseen, pl.DataFrame(columns), notes)


def _named(
    service: RecommendationService, numbers: Sequence[int] | np.ndarray
) -> list[tuple[str, str | None]]:
    """Id and title of items."""
    rows = service.items[[int(number) - 1 for number in numbers]]
    titles = rows["title"].to_list() if "title" in rows.columns else [None] * len(rows)
    return list(zip(rows["item_id"].to_list(), titles, strict=True))


def explanations(
    service: RecommendationService,
    past: Requests,
    items: Sequence[str] = (),
    *,
    k: int = 3,
    latest: int | None = None,
) -> list[Explanation]:
    """As `leave_one_out`, of the k recommended items where none are named."""
    return leave_one_out(service, past, items or best_of(service, past, k), latest=latest)


def best_of(service: RecommendationService, past: Requests, k: int) -> list[str]:
    """Ids of the k recommended items after a history, best first."""
    row = np.array([1])
    asked = past.histories, row, past.users, *seen_items(past.histories, row), k
    numbers = service.ranker.best(*asked)[1][0]
    return service.items["item_id"].gather(numbers[numbers > 0] - 1).to_list()


def rows_of(found: Sequence[Explanation], types: IdTypes) -> pl.DataFrame:
    """All explanations in one table, the events that speak most for an item first; types: of ids."""
    tables = []
    for each in found:
        about = [pl.lit(each.item_id).alias("item_id"), pl.lit(each.rank).alias("rank")]
        events = types.restored(each.frame.drop("score", "rank_change"))
        events = events.rename({"item_id": "event_item", "rank": "rank_without"})
        ordered = events.sort("score_change", descending=True, maintain_order=True)
        tables.append(types.restored(ordered.select(*about, pl.all())))
    return pl.concat(tables)
