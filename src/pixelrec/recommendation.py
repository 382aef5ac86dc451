"""Recommendations as a table, by ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events, training_events
from pixelrec.data.views import latest, seen_items
from pixelrec.errors import RequestError
from pixelrec.recommender import latest_events
from pixelrec.run import Run

if TYPE_CHECKING:
    import polars as pl

USERS = 1024  # at a time


def for_users(run: Run, dataset: Dataset, users: Sequence[str], k: int) -> pl.DataFrame:
    """`user_id, place, item_id, score` (and `title`) for users of the data set; all their events are seen."""
    import polars as pl

    numbers = dataset.user_numbers(list(users))
    recommender = run.recommender(dataset.facts(run.length, training_events(dataset)))
    histories = all_events(dataset)
    scores, items = [], []
    catalogue = recommender.catalogue()
    for start in range(0, len(numbers), USERS):
        some = numbers[start : start + USERS]
        history, times = latest(histories, some, recommender.facts.length)
        events = latest_events(some, history, times, recommender.device)
        found = recommender.recommend(catalogue, events, *seen_items(histories, some), k)
        scores.append(found[0].cpu().numpy())
        items.append(found[1].cpu().numpy())
    table = _table(run, np.concatenate(scores), np.concatenate(items))
    asked = pl.Series("user_id", users).gather(table["row"])
    return table.drop("row").insert_column(0, asked)


def for_history(run: Run, dataset: Dataset | None, history: Sequence[str], k: int) -> pl.DataFrame:
    """`place, item_id, score` (and `title`) for somebody who took these items, oldest first.

    Item encoders that read pictures need the data set; an id table does without.
    """
    facts = None if dataset is None else dataset.facts(run.length, training_events(dataset))
    recommender = run.recommender(facts)
    if recommender.users.needs_known_user:
        raise RequestError(
            f"{run.recipe['users']['name']} has a vector per known user and cannot answer for a history; "
            "ask with --user, or train a recipe such as sasrec-id"
        )
    numbers = _numbers(run, history)
    row = np.zeros((1, recommender.facts.length), np.int64)
    last = numbers[-row.shape[1] :]
    row[0, row.shape[1] - len(last) :] = last
    events = latest_events(np.zeros(1, np.int64), row, np.zeros_like(row), recommender.device)
    seen, owners = torch.from_numpy(numbers), torch.zeros(len(numbers), dtype=torch.int64)
    scores, items = recommender.recommend(recommender.catalogue(), events, seen, owners, k)
    return _table(run, scores.cpu().numpy(), items.cpu().numpy()).drop("row")


def _numbers(run: Run, item_ids: Sequence[str]) -> np.ndarray:
    known = {item_id: number for number, item_id in enumerate(_vocabulary(run)["item_id"], start=1)}
    unknown = [item_id for item_id in item_ids if item_id not in known]
    if unknown:
        some = ", ".join(map(repr, unknown[:5]))
        raise RequestError(
            f"{len(unknown)} of {len(item_ids)} items of the history are unknown to {run.folder}: {some}; "
            "all that it knows are in items.parquet there"
        )
    return np.array([known[item_id] for item_id in item_ids], np.int64)


def _vocabulary(run: Run) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(run.folder / "items.parquet")


def _table(run: Run, scores: np.ndarray, items: np.ndarray) -> pl.DataFrame:
    """Long form of scores and item numbers (B, k); places that nothing is left for are dropped."""
    import polars as pl

    vocabulary = _vocabulary(run)
    row, column = np.nonzero(items)
    chosen = vocabulary[items[row, column] - 1]
    columns = {"row": row, "place": column + 1, "item_id": chosen["item_id"], "score": scores[row, column]}
    table = pl.DataFrame(columns)
    return table.with_columns(chosen["title"]) if "title" in chosen.columns else table
