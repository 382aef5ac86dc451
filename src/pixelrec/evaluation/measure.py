"""Evaluates a run on a split, beside every baseline, and keeps the ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from pixelrec.batch import Facts
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import Questions, test_questions, training_events, validation_questions
from pixelrec.errors import DataError
from pixelrec.evaluation.comparison import compare
from pixelrec.evaluation.evaluate import rank_questions
from pixelrec.evaluation.kept_rivals import keep_rivals, read_rivals
from pixelrec.evaluation.measured import Measured
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.rivals import Rivals, Tell, rank_rivals, silent
from pixelrec.recommender import Recommender

Split = Literal["validation", "test"]


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


def measure(run: Trained, dataset: Dataset, split: Split, tell: Tell = silent) -> dict[str, dict[str, float]]:
    """Metrics by model, in fractions, the run's own first; writes its ranks and what `Measured` holds.

    tell: hears what is being ranked.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    questions = _some_questions(dataset, split)
    training = training_events(dataset)
    tell(run.name)
    ranks = rank_questions(run.recommender(dataset.facts(run.length, training)), questions)
    rivals = _rivals(dataset, questions, tell)
    counts = item_counts(training, dataset.items)
    _write_ranks(run.folder / f"ranks-{split}.parquet", dataset, questions, ranks, counts)
    named = {_beside(run.name, name): found for name, found in rivals.ranks.items()}
    found = {name: metrics(some) for name, some in {run.name: ranks, **named}.items()}
    Measured(split, run.name, found, compare(ranks, named), rivals.notes).write(run.folder)
    return found


def baseline_ranks(dataset: Dataset, split: Split, tell: Tell = silent) -> dict[str, np.ndarray]:
    """Ranks by baseline, int64[Q] in the order of `questions_of(dataset, split).users`.

    Their choices are made on validation. Ranks are kept inside the data set, if it can be written, so that
    the next to ask waits for nothing.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    return dict(_rivals(dataset, _some_questions(dataset, split), tell).ranks)


def baseline_notes(dataset: Dataset, split: Split) -> dict[str, str]:
    """By baseline, what was chosen on validation, or why it is left out; made and kept as the ranks are."""
    return dict(_rivals(dataset, _some_questions(dataset, split), silent).notes)


def _some_questions(dataset: Dataset, split: Split) -> Questions:
    questions = questions_of(dataset, split)
    if not len(questions):
        raise DataError(f"{dataset.folder}: no user has 3 events, so nobody can be evaluated")
    return questions


def _rivals(dataset: Dataset, questions: Questions, tell: Tell) -> Rivals:
    kept = read_rivals(dataset, questions)
    if kept is not None:
        return kept
    training, validation = training_events(dataset), validation_questions(dataset)
    rivals = rank_rivals(training, dataset.items, validation, questions, tell)
    keep_rivals(dataset, questions, rivals)
    return rivals


def _beside(model: str, baseline: str) -> str:
    """What the baseline is called in a table with the model, whose recipe may bear the same name."""
    return f"{baseline} (baseline)" if baseline == model else baseline


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
