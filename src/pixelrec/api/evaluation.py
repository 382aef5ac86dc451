"""Verbs over trained runs: metrics, comparison, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import (
    Place,
    as_run,
    checked,
    folder_of,
)
from pixelrec.choices import Split
from pixelrec.console.progress import activity, shown_on
from pixelrec.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.runs.compare import RunComparison
    from pixelrec.runs.results import EvaluationResult
    from pixelrec.runs.run import Run


@checked
def evaluate(
    run: Run | Place,
    *,
    split: Split = "test",
    data: Dataset | Place | None = None,
    out: Place | None = None,
    console: Console | None = None,
) -> EvaluationResult:
    """Compute the metrics of a run and of baselines.

    The whole catalogue is ranked for every user whose item is new to them; users with a repeated item are
    counted and left out.

    Args:
        run: run folder.
        split: the last event of every user (test), or the one before (validation).
        data: data set folder, if it has moved since.
        out: folder for the result, such as for a run that cannot be written; the run folder by default.
        console: for progress; without one, nothing is printed.

    Returns:
        `metrics`, in fractions: `{"sasrec-id": {"Recall@10": …, …}, "popularity": {…}, …}`; `table()`, the
        same with intervals and slices as a frame; `comparison`, the verdict against the best baseline. It is
        written into the folder too, with the rank of every user; ranks of baselines are saved in the data
        set.
    """
    opened, folder = as_run(run), None if out is None else Path(out)
    opened.demand_measured()
    from pixelrec.runs.evaluate import evaluate_run

    dataset = opened.dataset(folder_of(data))
    with shown_on(console) as screen, activity("evaluating", screen) as told:
        return evaluate_run(opened, dataset, split, told, folder)


@checked
def compare(run: Run | Place, other: Run | Place, *, split: Split = "test") -> RunComparison:
    """Compare two evaluated runs, user by user.

    Args:
        run: run folder.
        other: run folder to compare it with.
        split: events that both were evaluated on.

    Returns:
        `parts`, metrics and differences over all events and on long-tail items; the verdict, a `sentence`.
    """
    if isinstance(run, Path) and run == other:  # others are found by their folders
        raise RunError(f"{run} is compared with itself; give two runs")
    first, second = as_run(run), as_run(other)
    from pixelrec.runs.compare import RunComparison

    return RunComparison.read(first, second, split)


@checked
def report(
    run: Run | Place,
    *,
    split: Split = "test",
    beside: Sequence[Run | Place] = (),
    data: Dataset | Place | None = None,
    out: Place | None = None,
    console: Console | None = None,
) -> Path:
    """Write a page about a run: curves, metrics, examples.

    It is report.html (or report-validation.html) in the run folder. A run is evaluated first if necessary.

    Args:
        run: run folder.
        split: events of the metrics and the users.
        beside: other runs of the same data set, to show in the same tables and to compare with.
        data: data set folder, if it has moved since.
        out: folder for the page and the result of the run, if not the run folder.
        console: for progress; without one, nothing is printed.
    """
    runs, folder = [run, *beside], None if out is None else Path(out)
    opened, *others = map(as_run, runs)
    for each in (opened, *others):
        each.demand_measured()
    from pixelrec.console.terminal import warn
    from pixelrec.runs.report import write_run_report
    from pixelrec.runs.results import is_evaluated

    dataset = opened.dataset(folder_of(data))
    if not is_evaluated(opened.folder, split, folder):
        evaluate(opened, split=split, data=data, out=folder, console=console)
    for each in others:
        if not is_evaluated(each.folder, split):
            evaluate(each, split=split, data=data, console=console)
    with shown_on(console):
        return write_run_report(
            opened, dataset, split, beside=others, out=folder, on_problem=lambda why: warn(why, console)
        )
