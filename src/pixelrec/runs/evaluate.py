"""Evaluates a run on a split beside every baseline, and saves the result and the ranks in its folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from pixelrec.choices import Split
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import EvaluationCases, test_cases, training_events, validation_cases
from pixelrec.errors import DataError, FeatureError
from pixelrec.evaluation.baselines import (
    BaselineRanks,
    Contender,
    FeatureTable,
    over_events,
    over_features,
    rank_baselines,
)
from pixelrec.evaluation.exposure import exposure
from pixelrec.evaluation.slices import ALL, measure, measure_slices
from pixelrec.features.feature_file import FeatureFile, opened_features
from pixelrec.files.checkpoint import weights_sha256
from pixelrec.runs.blend import ranker_of
from pixelrec.runs.results import EvaluationResult, demand_writable
from pixelrec.runs.run import Run
from pixelrec.runs.saved_baselines import read_baselines, save_baselines
from pixelrec.runs.saved_ranks import SavedRanks


def cases_of(dataset: Dataset, split: Split) -> EvaluationCases:
    """The cases of a split; `test` opens the held-out events.

    Raises `RequestError` for an unknown split, `DataError` if it has no case.
    """
    cases = test_cases(dataset) if split == "test" else validation_cases(dataset)
    if not len(cases):
        raise DataError(f"{dataset.folder}: {_nobody(cases)}")
    return cases


def _nobody(cases: EvaluationCases) -> str:
    if not cases.repeats:
        return "no user has 3 events, so there is no user to evaluate"
    return (
        f"the {cases.name} event of every user repeats an item of the user's history, so there is nothing "
        "new to predict; if several lines of the source are one event, merge them and prepare it again"
    )


def target_counts(dataset: Dataset, cases: EvaluationCases) -> np.ndarray:
    """Training events of each case's target, int64[Q]: the slices are cut by them."""
    return item_counts(training_events(dataset), dataset.items)[cases.targets]


def evaluate_run(
    run: Run, dataset: Dataset, split: Split, on_progress: OnProgress = ignore, out: Path | None = None
) -> EvaluationResult:
    """Ranks with the run and every baseline, and saves the result in the run folder, or in `out`.

    on_progress: called with a line of text as the work goes on. Raises `DataError` if no user of the data set
    is evaluated, `RunError` if no epoch of the run has ended yet or the folder cannot be written.
    """
    folder = out or run.folder
    demand_writable(folder)  # before anything is ranked
    dataset.verify()
    cases = cases_of(dataset, split)
    on_progress(f"ranking by {run.name}")
    weights = weights_sha256(run.demand_best())  # before they are loaded: a later best is not evaluated yet
    ranker = ranker_of(run, dataset, on_progress)
    ranks = ranker.rank(cases)
    shown = exposure(ranker, cases, dataset.item_ids.to_list())
    by_baseline = _rank_baselines(dataset, cases, lambda name: on_progress(f"ranking by {name}"))
    counts = target_counts(dataset, cases)
    # A recipe may have the name of a baseline.
    named = {f"{n} (baseline)" if n == run.name else n: found for n, found in by_baseline.ranks.items()}
    everyone = {run.name: ranks, **named}
    overall = measure(ALL, run.name, everyone, counts)
    assert overall is not None, "`cases_of` refuses a split without cases"
    result = EvaluationResult(
        split,
        run.name,
        overall,
        by_baseline.notes,
        measure_slices(run.name, everyone, counts),
        cases.repeats,
        shown,
        weights,
        SavedRanks.of_cases(dataset, cases, ranks, counts).write(folder, split),
        ranker.warning,
    )
    result.write(folder)
    return result


def baselines(dataset: Dataset, split: Split, on_start: OnProgress = ignore) -> BaselineRanks:
    """Ranks by baseline, int64[Q] in the order of `cases_of(dataset, split)`, and notes.

    Their hyperparameters are tuned on validation. Results are saved inside the data set, if it is writable.
    Raises `DataError` if no user of the data set is evaluated.
    """
    dataset.verify()
    return _rank_baselines(dataset, cases_of(dataset, split), on_start)


def contenders_of(dataset: Dataset) -> dict[str, Contender]:
    """The baselines of a data set: over its events, and over each of its feature files."""
    files, damaged = opened_features(dataset.folder)
    tables = {name: FeatureTable("damaged", partial(_refuse, why)) for name, why in damaged.items()}
    tables |= {
        name: feature_table(file, dataset)
        for name, file in files.items()
        if not file.is_codes and not file.knows_test_events
    }
    found = over_events(dataset.items)
    for source, table in tables.items():
        over = over_features(dataset.items, table)
        found |= {f"{name} ({source})": contender for name, contender in over.items()}
    return found


def feature_table(file: FeatureFile, dataset: Dataset) -> FeatureTable:
    return FeatureTable(file.digest, partial(_verified_table, file, dataset))


def _refuse(why: str) -> np.ndarray:
    raise FeatureError(why)


def _verified_table(file: FeatureFile, dataset: Dataset) -> np.ndarray:
    file.verify()
    return file.table(dataset.item_ids)


def _rank_baselines(dataset: Dataset, cases: EvaluationCases, on_start: OnProgress) -> BaselineRanks:
    among = contenders_of(dataset)
    saved = read_baselines(dataset, cases, among)
    if not saved.missing(among):
        return saved
    training, validation = training_events(dataset), cases_of(dataset, "validation")
    save = partial(save_baselines, dataset, cases, among)
    return rank_baselines(training, dataset.items, validation, cases, on_start, saved, save, among)
