"""Evaluates a run on a split, beside every baseline, and keeps the ranks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from pixelrec.batch import DatasetSpec
from pixelrec.choices import Split, check_split
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import EvaluationCases, test_cases, training_events, validation_cases
from pixelrec.errors import DataError
from pixelrec.evaluation.baselines import BaselineRanks, OnStart, ignore, rank_baselines
from pixelrec.evaluation.comparison import compare_with_baselines
from pixelrec.evaluation.evaluate import rank_cases
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
    def recommender(self, spec: DatasetSpec | None = None) -> Recommender: ...
    def catalogue(self, recommender: Recommender) -> Catalogue: ...


def cases_of(dataset: Dataset, split: Split) -> EvaluationCases:
    """The questions of a split; `test` opens the held-out events.

    Raises:
        RequestError: there is no such split.
    """
    check_split(split)
    return test_cases(dataset) if split == "test" else validation_cases(dataset)


def target_counts(dataset: Dataset, cases: EvaluationCases) -> np.ndarray:
    """Training events of each question's item, int64[Q]: what slices are made by."""
    return item_counts(training_events(dataset), dataset.items)[cases.targets]


def measure(
    run: Trained, dataset: Dataset, split: Split, on_start: OnStart = ignore
) -> dict[str, dict[str, float]]:
    """Metrics by model, in fractions, the run's own first; writes its ranks and what `Measured` holds.

    on_start: called with the name of each model before it is ranked.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    cases = _some_questions(dataset, split)
    training = training_events(dataset)
    on_start(run.name)
    recommender = run.recommender(dataset.spec(run.length, training))
    ranks = rank_cases(recommender, cases, run.catalogue(recommender))
    baseline_ranks = _rivals(dataset, cases, on_start)
    counts = target_counts(dataset, cases)
    write_ranks(ranks_file(run.folder, split), dataset, cases, ranks, counts)
    named = {_beside(run.name, name): found for name, found in baseline_ranks.ranks.items()}
    everyone = {run.name: ranks, **named}
    found = {name: metrics(some) for name, some in everyone.items()}
    slices = slice_metrics(run.name, everyone, counts)
    Measured(
        split, run.name, found, compare_with_baselines(ranks, named), baseline_ranks.notes, slices
    ).write(run.folder)
    return found


def baselines(dataset: Dataset, split: Split, on_start: OnStart = ignore) -> BaselineRanks:
    """Ranks by baseline, int64[Q] in the order of `questions_of(dataset, split).users`, and notes.

    Their choices are made on validation. Each is kept inside the data set once it is there, if that can be
    written, so that the next to ask waits for nothing.

    Raises:
        DataError: no user of the data set is evaluated.
    """
    return _rivals(dataset, _some_questions(dataset, split), on_start)


def _some_questions(dataset: Dataset, split: Split) -> EvaluationCases:
    dataset.verify()
    cases = cases_of(dataset, split)
    if not len(cases):
        raise DataError(f"{dataset.folder}: no user has 3 events, so nobody can be evaluated")
    return cases


def _rivals(dataset: Dataset, cases: EvaluationCases, on_start: OnStart) -> BaselineRanks:
    kept = read_rivals(dataset, cases)
    if not kept.missing:
        return kept
    training, validation = training_events(dataset), validation_cases(dataset)
    keep = partial(keep_rivals, dataset, cases)
    return rank_baselines(training, dataset.items, validation, cases, on_start, kept, keep)


def _beside(model: str, baseline: str) -> str:
    """What the baseline is called in a table with the model, whose recipe may bear the same name."""
    return f"{baseline} (baseline)" if baseline == model else baseline
