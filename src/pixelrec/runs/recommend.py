"""Recommendations as a table, by ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.batch import Events
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events, training_events
from pixelrec.data.views import latest, seen_items
from pixelrec.errors import RequestError
from pixelrec.evaluation.evaluate import FEW_USERS, USERS, rank_targets
from pixelrec.images.covers import read_loose
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.run import Run


@final
@dataclass(frozen=True)
class Request:
    k: int  # items
    covers: Sequence[Path] = ()  # pictures of new items, which are added to the catalogue
    alone: bool = False  # return the new items only, with the rank of each in the catalogue


def for_users(
    run: Run, dataset: Dataset, users: Sequence[str], request: Request, on_progress: OnProgress = ignore
) -> pl.DataFrame:
    """`user_id, rank, item_id, score` (and `title`) for users of the data set; all their events are seen."""
    numbers = dataset.user_numbers(list(users))
    recommender = run.recommender(dataset.spec(run.length, training_events(dataset)))
    service = RecommendationService.of(run, recommender, request, on_progress)
    histories, tables = all_events(dataset), []
    at_once = FEW_USERS if recommender.users.looks_at_candidates else USERS
    for start in range(0, len(numbers), at_once):
        some = numbers[start : start + at_once]
        history, times = latest(histories, some, run.length)
        events = Events.of_numbers(some, history, times, recommender.device)
        found = service.recommend(events, *seen_items(histories, some))
        tables.append(found.with_columns(pl.col("row") + start))
    table = pl.concat(tables)
    user_ids = pl.Series("user_id", users).gather(table["row"])
    return table.drop("row").insert_column(0, user_ids)


def for_history(
    run: Run,
    dataset: Dataset | None,
    history: Sequence[str],
    request: Request,
    on_progress: OnProgress = ignore,
) -> pl.DataFrame:
    """`rank, item_id, score` (and `title`) for a history of item ids, oldest first.

    Item encoders over pictures need the data set, unless an earlier call has cached the vectors of all items
    beside the checkpoint; an id table does not.
    """
    spec = None if dataset is None else dataset.spec(run.length, training_events(dataset))
    recommender = run.recommender(spec)
    if recommender.users.needs_known_user:
        raise RequestError(
            f"{run.recipe['users']['name']} has a vector per known user and cannot recommend for a history; "
            "ask with --user, or train a recipe such as sasrec-id"
        )
    numbers = _numbers(run, history)
    row = np.zeros((1, recommender.spec.length), np.int64)
    last = numbers[-row.shape[1] :]
    row[0, row.shape[1] - len(last) :] = last
    events = Events.of_numbers(np.zeros(1, np.int64), row, np.zeros_like(row), recommender.device)
    seen, owners = torch.from_numpy(numbers), torch.zeros(len(numbers), dtype=torch.int64)
    service = RecommendationService.of(run, recommender, request, on_progress)
    return service.recommend(events, seen, owners).drop("row")


@final
@dataclass(frozen=True)
class RecommendationService:
    """Recommends from a catalogue that new items may have been added to."""

    recommender: Recommender
    catalogue: Catalogue
    vocabulary: pl.DataFrame  # a row for every item, new ones last
    request: Request

    @classmethod
    def of(
        cls, run: Run, recommender: Recommender, request: Request, on_progress: OnProgress = ignore
    ) -> Self:
        """Reads the new pictures first, so that a broken one is reported before the catalogue is encoded."""
        vocabulary, unseen = run.vocabulary, None
        if request.covers:
            form = recommender.items.picture_form()
            pictures = read_loose(request.covers, size=form.size, fit=form.fit)
            unseen = recommender.unseen(torch.from_numpy(pictures))
            vocabulary = _extended(vocabulary, request.covers)
        encoded = run.encoded(recommender, on_progress)
        return cls(recommender, recommender.catalogue(encoded=encoded, unseen=unseen), vocabulary, request)

    def recommend(self, events: Events, seen: Tensor, owners: Tensor) -> pl.DataFrame:
        """`row` (of `events`), `rank`, `item_id`, `score` and perhaps `title`; best first in each row."""
        if self.request.alone:
            return _table(self.vocabulary, *self._new_items(events, seen, owners))
        best = self.recommender.recommend(self.catalogue, events, seen, owners, self.request.k)
        scores, items = (found.cpu().numpy() for found in best)
        places = np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)
        return _table(self.vocabulary, scores, items, places)

    def _new_items(
        self, events: Events, seen: Tensor, owners: Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, item numbers and places of the new items, best first: each B, n.

        The rank of each is exact: its place among the unseen items of the catalogue.
        """
        recommender, candidates = self.recommender, self.catalogue.candidates
        known = recommender.spec.items + 1
        vectors = recommender.vectors(self.catalogue, events)
        scores = recommender.scores(replace(self.catalogue, candidates=candidates[known:]), vectors)
        targets = torch.full((len(vectors),), known, device=vectors.device)
        places = []
        for new in candidates[known:].split(1):
            beside = replace(self.catalogue, candidates=torch.cat([candidates[:known], new]))
            places.append(rank_targets(recommender, beside, vectors, targets, seen, owners))
        found = np.stack([place.cpu().numpy() for place in places], axis=1)
        order = np.lexsort((-scores.cpu().numpy(), found), axis=1)
        ordered = (np.take_along_axis(x, order, axis=1) for x in (scores.cpu().numpy(), found))
        return next(ordered), order + known, next(ordered)


def _extended(vocabulary: pl.DataFrame, covers: Sequence[Path]) -> pl.DataFrame:
    """With a row for each picture, whose id is the name of its file."""
    names = [path.name for path in covers]
    # Undecodable bytes of a file's name are lone surrogates in Python.
    if odd := next((name for name in names if any("\ud800" <= c <= "\udfff" for c in name)), None):
        raise RequestError(
            f"the picture {odd!r} has a name that is not UTF-8, which an item needs; rename it"
        )
    taken = set(vocabulary["item_id"]) & set(names) or {name for name in names if names.count(name) > 1}
    if taken:
        raise RequestError(
            f"two items would have the id {min(taken)!r}: new items have the names of their files as ids; "
            "rename the file"
        )
    return pl.concat([vocabulary, pl.DataFrame({"item_id": names})], how="diagonal")


def _numbers(run: Run, item_ids: Sequence[str]) -> np.ndarray:
    known = {item_id: number for number, item_id in enumerate(run.vocabulary["item_id"], start=1)}
    unknown = [item_id for item_id in item_ids if item_id not in known]
    if unknown:
        some = ", ".join(map(repr, unknown[:5]))
        raise RequestError(
            f"{len(unknown)} of {len(item_ids)} items of the history are unknown to {run.folder}: {some}; "
            "the known ones are in items.parquet there"
        )
    return np.array([known[item_id] for item_id in item_ids], np.int64)


def _table(
    vocabulary: pl.DataFrame, scores: np.ndarray, items: np.ndarray, places: np.ndarray
) -> pl.DataFrame:
    """Long form of scores, item numbers and places (B, k), without empty places (item 0)."""
    row, column = np.nonzero(items)
    chosen = vocabulary[items[row, column] - 1]
    columns = {"row": row, "rank": places[row, column], "item_id": chosen["item_id"]}
    table = pl.DataFrame({**columns, "score": scores[row, column]})
    return table.with_columns(chosen["title"]) if "title" in chosen.columns else table
