"""Verbs over recipes and runs: train, evaluate, compare, recommend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import (
    Place,
    as_dataset,
    as_list,
    as_overrides,
    as_path,
    as_recipe,
    as_run,
    as_whole,
    check_datasets,
    check_runs,
    folder_of,
)
from pixelrec.choices import Overrides, Split
from pixelrec.console.progress import activity, shown_on
from pixelrec.errors import RequestError, RunError

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.demonstration.demonstrate import Demonstration
    from pixelrec.grid.outcome import Outcome
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.compare import RunComparison
    from pixelrec.runs.results import EvaluationResult
    from pixelrec.runs.run import Run


def train(
    recipe: str | Path | Recipe,
    *,
    data: Dataset | Place,
    out: Place | None = None,
    overrides: Overrides | None = None,
    console: Console | None = None,
) -> Run:
    """Train a recipe on a data set.

    Ctrl-C finishes the step, saves and stops; `train --resume RUN` continues to the same result.

    Args:
        recipe: name from `pixelrec recipes`, or a YAML file.
        data: data set folder that `pixelrec prepare` wrote.
        out: run folder to write, new or empty; runs/<date>-<time>-<recipe> by default.
        overrides: an option of the recipe, such as --users.layers 3.
        console: for a line per epoch and a progress bar; without one, nothing is printed.

    Raises:
        RecipeError, DataError, RunError: before anything is written.
        DivergedError: the loss is not a number.
        StoppedError: by a signal, whose number it carries; the run can be resumed.
    """
    chosen, given = as_recipe(recipe, "recipe"), as_overrides(overrides)
    check_datasets(data)
    place = None if out is None else as_path(out, "out")
    if place is not None:
        from pixelrec.runs.place import demand_new

        demand_new(place)
    from pixelrec.recipe.recipe import read_recipe, resolve

    resolved = (
        read_recipe(chosen, given) if isinstance(chosen, Path) else resolve(chosen.name, chosen.values, given)
    )
    from pixelrec.runs.train import train_recipe

    with shown_on(console) as screen:
        return train_recipe(resolved, as_dataset(data), place, screen)


def resume(run: Run | Place, *, data: Dataset | Place | None = None, console: Console | None = None) -> Run:
    """Continue an interrupted run.

    The result is the same as without the interruption.

    Args:
        run: run folder.
        data: data set folder, if it has moved since.
        console: as in `train`.

    Raises:
        RunError: its state is damaged, or its data set is another one.
        StoppedError: by a signal, as in `train`.
    """
    check_runs(run)
    check_datasets(data)
    opened = as_run(run)
    from pixelrec.runs.train import resume_run

    with shown_on(console) as screen:
        return resume_run(opened, opened.dataset(folder_of(data)), screen)


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
    check_runs(run)
    check_datasets(data)
    opened, folder = as_run(run), None if out is None else as_path(out, "out")
    from pixelrec.runs.evaluate import evaluate_run

    dataset = opened.dataset(folder_of(data))
    with shown_on(console) as screen, activity("evaluating", screen) as told:
        return evaluate_run(opened, dataset, split, told, folder)


def bench(
    data: Dataset | Place,
    recipes: Sequence[str | Path | Recipe],
    *,
    seeds: int = 3,
    split: Split = "test",
    out: Place = Path("bench"),
    jobs: int = 1,
    overrides: Overrides | None = None,
    console: Console | None = None,
) -> Outcome:
    """Train and evaluate recipes × seeds for one table.

    Baselines are in the table too. Ctrl-C saves and stops; the same command continues, and repeats nothing
    that is done.

    Args:
        data: data set folder.
        recipes: names from `pixelrec recipes`, or YAML files, in the order of the table.
        seeds: runs of each recipe, with the seeds 0, 1, …
        split: events that models are compared on.
        out: folder of the runs, <recipe>/seed-<n>, and of the tables, results-<split>.md, .csv and .html.
        jobs: runs at the same time; they share the cores.
        overrides: an option of all recipes, such as --training.epochs 50.
        console: for a line per run; without one, nothing is printed.

    Returns:
        The comparison, the tables, and which runs failed: one that fails does not stop the others.

    Raises:
        RecipeError, DataError, RunError, RequestError: before anything starts.
        StoppedError: by a signal, whose number it carries; the same call continues.
    """
    check_datasets(data)
    seeds, jobs = as_whole(seeds, "seeds", most=10_000), as_whole(jobs, "jobs", most=10_000)
    place, given = as_path(out, "out"), as_overrides(overrides)
    if place.exists() and not place.is_dir():
        raise RequestError(f"{place} is a file; give a folder as --out")
    chosen = [as_recipe(recipe, "recipes") for recipe in as_list(recipes, "recipes")]
    dataset = as_dataset(data)
    from pixelrec.grid.outcome import run_grid
    from pixelrec.grid.plan import plan

    grid = plan(dataset, chosen, seeds=seeds, split=split, out=place, overrides=given)
    with shown_on(console) as screen:
        return run_grid(grid, jobs, screen)


def compare(run: Run | Place, other: Run | Place, *, split: Split = "test") -> RunComparison:
    """Compare two evaluated runs, user by user.

    Args:
        run: run folder.
        other: run folder to compare it with.
        split: events that both were evaluated on.

    Returns:
        `parts`, metrics and differences over all events and on long-tail items; the verdict, a `sentence`.
    """
    check_runs(run, other)
    if isinstance(run, Path) and run == other:  # others are found by their folders
        raise RunError(f"{run} is compared with itself; give two runs")
    first, second = as_run(run), as_run(other)
    from pixelrec.runs.compare import RunComparison

    return RunComparison.read(first, second, split)


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
    runs, folder = [run, *as_list(beside, "beside")], None if out is None else as_path(out, "out")
    check_runs(*runs)
    check_datasets(data)
    opened, *others = map(as_run, runs)
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


def demo(*, out: Place = Path("demo"), seed: int = 0, console: Console | None = None) -> Demonstration:
    """Show it all in a generated shop, in about three minutes.

    A recommender over ids and one over pictures are trained and tested, and a report is written.

    Args:
        out: folder for everything, new or empty.
        seed: seed of the generated shop and of training.
        console: for what is done; without one, nothing is printed.

    Returns:
        Both runs, and the best metrics that are possible, as the shop was generated.
    """
    from pixelrec.files.atomic import demand_empty

    place, seed = as_path(out, "out"), as_whole(seed, "seed", 0, 2**63 - 1)
    demand_empty(place, RequestError, "choose another --out")
    from pixelrec.demonstration.demonstrate import demonstrate

    with shown_on(console) as screen:
        return demonstrate(place, seed, screen)
