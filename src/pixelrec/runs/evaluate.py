"""Evaluates a run on a split, beside every baseline, and keeps the ranks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from pixelrec.batch import Facts
from pixelrec.choices import Split, check_split
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import Questions, test_questions, training_events, validation_questions
from pixelrec.errors import DataError
from pixelrec.evaluation.baselines import Rivals, Tell, rank_rivals, silent
from pixelrec.evaluation.comparison import compare
from pixelrec.evaluation.evaluate import rank_questions
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.slices import slice_metrics
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.results import Measured
from pixelrec.runs.saved_baselines import keep_rivals, read_rivals
from pixelrec.runs.saved_ranks import ranks_file, write_ranks


class Trained(Protocol):
    """What of a run is measured."""

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int: ...
    def recommender(self, facts: Facts | None = None) -> Recommender: ...
    def catalogue(self, recommender: Recommender) -> Catalogue: ...


def questions_of(dataset: Dataset, split: Split) -> Questions:
    """The questions of a split; `test` opens the held-out events.

    Raises:
        RequestError: there is no such split.
    """
    check_split(split)
    return test_questions(dataset) if split == "test" else validation_questions(dataset)


def target_counts(dataset: Dataset, questions: Questions) -> np.ndarray:
    """Training events of each question's item, int64[Q]: what slices are made by."""
    return item_counts(training_events(dataset), dataset.items)[questions.targets]


def measure(run: Trained, dataset: Dataset, split: Split, tell: Tell = silent) -> dict[str, dict[str, float]]:
    """Metrics by model, in fractions, the run's own first; writes its ranks and what `Measured` holds.

    tell: hears what is being ranked.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    questions = _some_questions(dataset, split)
    training = training_events(dataset)
    tell(run.name)
    recommender = run.recommender(dataset.facts(run.length, training))
    ranks = rank_questions(recommender, questions, run.catalogue(recommender))
    rivals = _rivals(dataset, questions, tell)
    counts = target_counts(dataset, questions)
    write_ranks(ranks_file(run.folder, split), dataset, questions, ranks, counts)
    named = {_beside(run.name, name): found for name, found in rivals.ranks.items()}
    everyone = {run.name: ranks, **named}
    found = {name: metrics(some) for name, some in everyone.items()}
    slices = slice_metrics(run.name, everyone, counts)
    Measured(split, run.name, found, compare(ranks, named), rivals.notes, slices).write(run.folder)
    return found


def baselines(dataset: Dataset, split: Split, tell: Tell = silent) -> Rivals:
    """Ranks by baseline, int64[Q] in the order of `questions_of(dataset, split).users`, and notes.

    Their choices are made on validation. Each is kept inside the data set once it is there, if that can be
    written, so that the next to ask waits for nothing.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    return _rivals(dataset, _some_questions(dataset, split), tell)


def _some_questions(dataset: Dataset, split: Split) -> Questions:
    questions = questions_of(dataset, split)
    if not len(questions):
        raise DataError(f"{dataset.folder}: no user has 3 events, so nobody can be evaluated")
    return questions


def _rivals(dataset: Dataset, questions: Questions, tell: Tell) -> Rivals:
    kept = read_rivals(dataset, questions)
    if not kept.missing:
        return kept
    training, validation = training_events(dataset), validation_questions(dataset)
    keep = partial(keep_rivals, dataset, questions)
    return rank_rivals(training, dataset.items, validation, questions, tell, kept, keep)


def _beside(model: str, baseline: str) -> str:
    """What the baseline is called in a table with the model, whose recipe may bear the same name."""
    return f"{baseline} (baseline)" if baseline == model else baseline
