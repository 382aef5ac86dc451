"""Recommendations as a table, by ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Events
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events, training_events
from pixelrec.data.views import latest, seen_items
from pixelrec.errors import RequestError
from pixelrec.images.loose import read_loose
from pixelrec.recommender import Catalogue, Recommender, latest_events
from pixelrec.runs.run import Run

if TYPE_CHECKING:
    import polars as pl

USERS = 1024  # at a time
FEW_USERS = 64  # at a time, where every score is looked at


@dataclass(frozen=True)
class Wish:
    """What is asked of a recommender.

    Args:
        k: the best so many.
        covers: pictures of items that nobody knows yet, added to the catalogue …
        alone: … or the only ones that are told of, with the places they would take.
    """

    k: int
    covers: Sequence[Path] = ()
    alone: bool = False


def for_users(run: Run, dataset: Dataset, users: Sequence[str], wish: Wish) -> pl.DataFrame:
    """`user_id, place, item_id, score` (and `title`) for users of the data set; all their events are seen."""
    import polars as pl

    numbers = dataset.user_numbers(list(users))
    counter = _Counter.of(run, run.recommender(dataset.spec(run.length, training_events(dataset))), wish)
    histories, tables = all_events(dataset), []
    at_once = FEW_USERS if counter.looks_at_all else USERS
    for start in range(0, len(numbers), at_once):
        some = numbers[start : start + at_once]
        history, times = latest(histories, some, run.length)
        events = latest_events(some, history, times, counter.recommender.device)
        found = counter.answer(events, *seen_items(histories, some))
        tables.append(found.with_columns(pl.col("row") + start))
    table = pl.concat(tables)
    asked_by = pl.Series("user_id", users).gather(table["row"])
    return table.drop("row").insert_column(0, asked_by)


def for_history(run: Run, dataset: Dataset | None, history: Sequence[str], wish: Wish) -> pl.DataFrame:
    """`place, item_id, score` (and `title`) for somebody who took these items, oldest first.

    Item encoders that read pictures need the data set, unless the vectors of all items were kept beside the
    checkpoint by an earlier call; an id table does without.
    """
    spec = None if dataset is None else dataset.spec(run.length, training_events(dataset))
    recommender = run.recommender(spec)
    if recommender.users.needs_known_user:
        raise RequestError(
            f"{run.recipe['users']['name']} has a vector per known user and cannot answer for a history; "
            "ask with --user, or train a recipe such as sasrec-id"
        )
    numbers = _numbers(run, history)
    row = np.zeros((1, recommender.spec.length), np.int64)
    last = numbers[-row.shape[1] :]
    row[0, row.shape[1] - len(last) :] = last
    events = latest_events(np.zeros(1, np.int64), row, np.zeros_like(row), recommender.device)
    seen, owners = torch.from_numpy(numbers), torch.zeros(len(numbers), dtype=torch.int64)
    return _Counter.of(run, recommender, wish).answer(events, seen, owners).drop("row")


@final
@dataclass(frozen=True)
class _Counter:
    """Where wishes are answered: a recommender, its catalogue with what was brought along, and the names."""

    recommender: Recommender
    catalogue: Catalogue
    vocabulary: pl.DataFrame  # a row for every item, those brought along last
    wish: Wish

    @classmethod
    def of(cls, run: Run, recommender: Recommender, wish: Wish) -> _Counter:
        """Looks at the pictures first: a wrong one must not wait for a catalogue to be encoded."""
        vocabulary, unseen = run.vocabulary, None
        if wish.covers:
            unseen = _unseen(recommender, wish.covers)
            vocabulary = _extended(vocabulary, wish.covers)
        catalogue = run.catalogue(recommender)
        if unseen is not None:
            catalogue = recommender.catalogue(encoded=catalogue.encoded, unseen=unseen)
        return cls(recommender, catalogue, vocabulary, wish)

    @property
    def looks_at_all(self) -> bool:
        return self.wish.alone or self.recommender.users.looks_at_candidates

    def answer(self, events: Events, seen: Tensor, owners: Tensor) -> pl.DataFrame:
        """`row` (of `events`), `place`, `item_id`, `score` and perhaps `title`."""
        if self.wish.alone:
            scores, items, places = self._places(events, seen, owners)
        else:
            best = self.recommender.recommend(self.catalogue, events, seen, owners, self.wish.k)
            scores, items = (found.cpu().numpy() for found in best)
            places = np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)
        return _table(self.vocabulary, scores, items, places)

    def _places(
        self, events: Events, seen: Tensor, owners: Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, item numbers and places of what was brought along, best first: each B, n.

        A place counts the items of the catalogue that are not seen and score as high or higher.
        """
        vectors = self.recommender.vectors(self.catalogue, events)
        scores = self.recommender.scores(self.catalogue, vectors)
        known = self.recommender.spec.items + 1
        scores[:, 0] = -torch.inf
        scores[owners.to(scores.device), seen.to(scores.device)] = -torch.inf
        new, order = scores[:, known:].sort(dim=1, descending=True, stable=True)
        places = 1 + torch.stack([(scores[:, :known] >= each).sum(1) for each in new.T[:, :, None]], dim=1)
        return new.cpu().numpy(), (order + known).cpu().numpy(), places.cpu().numpy()


def _unseen(recommender: Recommender, covers: Sequence[Path]) -> Tensor:
    form = recommender.items.picture_form()
    return recommender.unseen(torch.from_numpy(read_loose(covers, size=form.size, fit=form.fit)))


def _extended(vocabulary: pl.DataFrame, covers: Sequence[Path]) -> pl.DataFrame:
    """With a row for each picture, called as its file."""
    import polars as pl

    names = [path.name for path in covers]
    if odd := next((name for name in names if not _is_text(name)), None):
        raise RequestError(
            f"the picture {odd!r} has a name that is not UTF-8, which an item needs; rename it"
        )
    taken = set(vocabulary["item_id"]) & set(names) or {name for name in names if names.count(name) > 1}
    if taken:
        raise RequestError(
            f"two items would be called {min(taken)!r}: the pictures of new items go by their files' names; "
            "rename the file"
        )
    return pl.concat([vocabulary, pl.DataFrame({"item_id": names})], how="diagonal")


def _is_text(name: str) -> bool:
    """Whether all of it is characters: bytes that are none stand in a file's name as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _numbers(run: Run, item_ids: Sequence[str]) -> np.ndarray:
    known = {item_id: number for number, item_id in enumerate(run.vocabulary["item_id"], start=1)}
    unknown = [item_id for item_id in item_ids if item_id not in known]
    if unknown:
        some = ", ".join(map(repr, unknown[:5]))
        raise RequestError(
            f"{len(unknown)} of {len(item_ids)} items of the history are unknown to {run.folder}: {some}; "
            "all that it knows are in items.parquet there"
        )
    return np.array([known[item_id] for item_id in item_ids], np.int64)


def _table(
    vocabulary: pl.DataFrame, scores: np.ndarray, items: np.ndarray, places: np.ndarray
) -> pl.DataFrame:
    """Long form of scores, item numbers and places (B, k); places that nothing is left for are dropped."""
    import polars as pl

    row, column = np.nonzero(items)
    chosen = vocabulary[items[row, column] - 1]
    columns = {
        "row": row,
        "place": places[row, column],
        "item_id": chosen["item_id"],
        "score": scores[row, column],
    }
    table = pl.DataFrame(columns)
    return table.with_columns(chosen["title"]) if "title" in chosen.columns else table
