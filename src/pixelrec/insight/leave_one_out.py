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
from pixelrec.runs.histories import Requests, given_histories
from pixelrec.runs.recommend import Ids, RecommendationService

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
    service: RecommendationService,
    items: Sequence[str],
    *,
    user: str | None = None,
    history: Ids = (),
    latest: int | None = None,
) -> list[Explanation]:
    """Why items are recommended to a user, or after a history, one `Explanation` for each.

    The frame of each has the columns `event` (1 is the latest), `item_id`, `title` if there are titles,
    `score` and `rank` without the event, `score_change` (positive: the event speaks for the item) and
    `rank_change` (positive: without the event, the item stands so many places lower). An event is left out
    as if it had never happened: earlier ones move up, also into the window of a model that sees the latest
    events only.

    Args:
        service: of any run whose model looks at histories.
        items: ids of items.
        user: id of a user of the data set.
        history: ids of items, oldest first.
        latest: only that many of the latest events are left out in turn, at most those that the model sees;
            by default all of these, and one hundred of a blend.

    Raises:
        RequestError: an id is unknown, not exactly one of user and history is given, an item is in the
            history, or the model has a vector for each user and looks at no history.
    """
    requests = request_of(service, user, history)
    numbers = service.numbering.demand("item", items)
    past = requests.histories.items[requests.histories.starts[1] :].astype(np.int64)
    if known := [item for item, number in zip(items, numbers, strict=True) if number in past]:
        raise RequestError(f"{known[0]!r} is in the history, and items of the history are not recommended")
    left_out = _without_each(requests.histories, min(_window(service, latest), len(past)))
    ranks, scores = _ranks(service, numbers, left_out, int(requests.users[0]))
    unseen = len(service.items) - len(np.unique(past))
    return [
        _explanation(service, requests, int(number), past, ranks[:, column], scores[:, column], unseen)
        for column, number in enumerate(numbers)
    ]


def request_of(
    service: RecommendationService, user: str | None, history: Ids, *, looks: bool = True
) -> Requests:
    """The events of a user of the data set, or a given history.

    looks: whether the model must look at histories.
    """
    name, given = service.ranker.needs_known_user, list(history)
    if name and (looks or user is None):
        raise RequestError(
            f"{name} has one vector for each user and looks at no history: "
            + ("no event of it can be left out; " if looks else "give a user; ")
            + "or take a model of histories, such as sasrec-id"
        )
    if (user is None) == (not given):
        raise RequestError("give a user, or a history of item ids: exactly one of the two")
    if user is None:
        return given_histories([given], service.numbering, service.run)
    events = service.user_events()
    found = events.requests(events.dataset.user_numbers([user]), [user])
    if found.empty[0] and not name:
        raise RequestError(f"user {user!r} has no event of an item that {service.run.folder} knows")
    return found


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
    service: RecommendationService,
    requests: Requests,
    number: int,
    past: np.ndarray,
    ranks: np.ndarray,
    scores: np.ndarray,
    unseen: int,
) -> Explanation:
    """ranks, scores: of the item after the whole history, and without each event."""
    (item_id, title), events = _named(service, [number])[0], _named(service, past[::-1][: len(ranks) - 1])
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
    notes = (*service.notes, *requests.notes)
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
    items: Sequence[str] = (),
    *,
    user: str | None = None,
    history: Ids = (),
    latest: int | None = None,
    k: int = 3,
) -> list[Explanation]:
    """As `leave_one_out`, of the k recommended items where none are named."""
    if not items:
        request_of(service, user, history)
        best = service.recommend(users=[user], k=k) if user else service.recommend(histories=[history], k=k)
        items = [str(each.item_id) for each in best[0]]
    return leave_one_out(service, items, user=user, history=history, latest=latest)


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
