"""Evaluates a run on a split, beside the popularity baseline, and keeps the ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from pixelrec.batch import Facts
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import Questions, test_questions, training_events, validation_questions
from pixelrec.errors import DataError
from pixelrec.evaluation.evaluate import popularity_ranks, rank_questions
from pixelrec.evaluation.metrics import metrics
from pixelrec.recommender import Recommender

Split = Literal["validation", "test"]
POPULARITY = "popularity"


class Trained(Protocol):
    """What of a run is measured."""

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int: ...
    def recommender(self, facts: Facts | None = None) -> Recommender: ...


def questions_of(dataset: Dataset, split: Split) -> Questions:
    """The questions of a split; `test` opens the held-out events."""
    return test_questions(dataset) if split == "test" else validation_questions(dataset)


def measure(run: Trained, dataset: Dataset, split: Split) -> dict[str, dict[str, float]]:
    """Metrics by model, in fractions; writes `ranks-<split>.parquet` and `metrics-<split>.json`.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    questions = questions_of(dataset, split)
    if not len(questions):
        raise DataError(f"{dataset.folder}: no user has 3 events, so nobody can be evaluated")
    training = training_events(dataset)
    recommender = run.recommender(dataset.facts(run.length, training))
    counts = item_counts(training, dataset.items)
    ranks = {
        run.name: rank_questions(recommender, questions),
        POPULARITY: popularity_ranks(counts, questions),
    }
    _write_ranks(run.folder / f"ranks-{split}.parquet", dataset, questions, ranks[run.name], counts)
    found = {name: metrics(some) for name, some in ranks.items()}
    partial = run.folder / f".metrics-{split}.partial"
    partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    partial.replace(run.folder / f"metrics-{split}.json")
    return found


def _write_ranks(
    path: Path, dataset: Dataset, questions: Questions, ranks: np.ndarray, counts: np.ndarray
) -> None:
    """A row per evaluated user: who, what came next, its rank, and what was known."""
    import polars as pl

    histories = questions.histories
    table = pl.DataFrame(
        {
            "user_id": dataset.user_ids[questions.users - 1],
            "item_id": dataset.item_ids[questions.targets - 1],
            "rank": ranks,
            "history_length": histories.stops[questions.users] - histories.starts[questions.users],
            "item_training_events": counts[questions.targets],
        }
    )
    partial = path.with_name(f".{path.name}.partial")
    table.write_parquet(partial)
    partial.replace(path)
