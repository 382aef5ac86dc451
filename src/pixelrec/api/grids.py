"""Verbs that train many recipes for one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrec.api.arguments import (
    Place,
    Repetitions,
    as_dataset,
    checked,
)
from pixelrec.choices import RUNGS, Overrides, Rung, Split
from pixelrec.console.progress import shown_on
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.grid.outcome import Outcome
    from pixelrec.recipe.recipe import Recipe


@checked
def bench(
    data: Dataset | Place,
    recipes: Sequence[str | Path | Recipe],
    *,
    seeds: Repetitions = 3,
    split: Split = "test",
    out: Place = Path("bench"),
    jobs: Repetitions = 1,
    audit: bool = False,
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
        audit: also train each recipe over pictures, features or codes with those of other items, and with
            noise.
        overrides: an option of all recipes, such as --training.epochs 50.
        console: for a line per run; without one, nothing is printed.

    Returns:
        The comparison, the tables, and which runs failed: one that fails does not stop the others.

    Raises:
        RecipeError, DataError, RunError, RequestError: before anything starts.
        StoppedError: by a signal, whose number it carries; the same call continues.
    """
    place = Path(out)
    if place.exists() and not place.is_dir():
        raise RequestError(f"{place} is a file; give a folder as --out")
    chosen = [Path(each) if isinstance(each, str) else each for each in recipes]
    dataset = as_dataset(data)
    from pixelrec.grid.outcome import run_grid
    from pixelrec.grid.plan import plan

    grid = plan(dataset, chosen, seeds=seeds, split=split, out=place, overrides=overrides or {}, audit=audit)
    with shown_on(console) as screen:
        return run_grid(grid, jobs, screen)


@checked
def ladder(
    data: Dataset | Place,
    network: str,
    *,
    rungs: Sequence[Rung] = (),
    size: int | None = None,
    trials: Repetitions = 1,
    seeds: Repetitions = 3,
    split: Split = "test",
    out: Place = Path("ladder"),
    jobs: Repetitions = 1,
    estimate: bool = False,
    overrides: Overrides | None = None,
    console: Console | None = None,
) -> Outcome | None:
    """Compare all uses of a picture network: quality and cost.

    A bench of recipes made for the network: ids, the frozen network, its last layer whitened, every depth,
    top blocks fitted to rows, top blocks and all blocks end to end, ids and pictures, and a blend of the best
    three on validation. The same command continues. First it estimates the passes of pictures.

    Args:
        data: data set folder, with packed covers.
        network: folder of a checkpoint, or name on the Hugging Face hub.
        rungs: the ways to compare; by default all.
        size: side of a picture in pixels; by default that of pretraining.
        trials: settings of each way that are tried with seed 0, at most 4; the best on validation is taken.
        seeds: runs of each, with the seeds 0, 1, …
        split: events that models are compared on.
        out: folder of the runs and tables, as of `bench`, and of the features that are whitened.
        jobs: runs at the same time; they share the cores.
        estimate: only estimate, and train nothing.
        overrides: an option of all recipes, such as --training.epochs 50.
        console: for the estimate and a line per run; without one, nothing is printed.

    Returns:
        As `bench`; None with `estimate`.

    Raises:
        RecipeError, DataError, RunError, RequestError: before anything starts.
        StoppedError: by a signal, whose number it carries; the same call continues.
    """
    place = Path(out)
    if place.exists() and not place.is_dir():
        raise RequestError(f"{place} is a file; give a folder as --out")
    dataset, rungs = as_dataset(data), rungs or RUNGS
    from pixelrec.console.terminal import say
    from pixelrec.grid.estimate import lines
    from pixelrec.grid.ladder import Ladder, plan_ladder
    from pixelrec.grid.outcome import run_grid
    from pixelrec.grid.trials import best_settings, plan_trials

    with shown_on(console) as screen:
        chosen, options = Ladder.of(network, size, dataset, place), overrides or {}
        settings: Mapping[str, Mapping[str, Any]] = {}
        tried = plan_trials(chosen, rungs, trials, options) if trials > 1 else None
        if tried is None or estimate:
            plan_ladder(chosen, rungs, seeds=seeds, split=split, overrides=options)
        say("estimate   " + "\n           ".join(lines(chosen, rungs)), screen)
        if estimate:
            return None
        if {"whitened", "aligned"} & set(rungs):
            chosen.extract()
        if tried is not None:
            settings = best_settings(tried, jobs, screen)
        grid = plan_ladder(chosen, rungs, seeds=seeds, split=split, overrides=options, settings=settings)
        return run_grid(grid, jobs, screen)
