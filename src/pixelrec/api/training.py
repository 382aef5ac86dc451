"""Verbs that train a recipe, or mix what was trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Changes, Place, Seed, as_dataset, as_features, as_run, checked, folder_of
from pixelrec.choices import Baseline, Overrides
from pixelrec.console.numbers import plural
from pixelrec.console.progress import activity, shown_on
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.demonstration.demonstrate import Demonstration
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.blending import BlendResult
    from pixelrec.runs.run import Run

MOST_PARTS = 16  # of a blend


@checked
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
    given, place = overrides or {}, None if out is None else Path(out)
    if place is not None:
        from pixelrec.runs.place import demand_new

        demand_new(place)
    from pixelrec.recipe.recipe import read_recipe, resolve

    if isinstance(recipe, str | Path):
        resolved = read_recipe(Path(recipe), given)
    else:
        resolved = resolve(recipe.name, recipe.values, given)
    from pixelrec.runs.train import train_recipe

    with shown_on(console) as screen:
        return train_recipe(resolved, as_dataset(data), place, screen)


@checked
def resume(
    run: Run | Place,
    *,
    data: Dataset | Place | None = None,
    overrides: Changes | None = None,
    console: Console | None = None,
) -> Run:
    """Continue an interrupted run, or one that has ended.

    The result is the same as without the interruption. A run that has ended goes on with more epochs: with a
    constant schedule, the result is that of a run which had them from its start.

    Args:
        run: run folder.
        data: data set folder, if it has moved since.
        overrides: --training.epochs or --training.patience, larger than before.
        console: as in `train`.

    Raises:
        RunError: its state is damaged, its data set is another one, or another option is given.
        StoppedError: by a signal, as in `train`.
    """
    opened = as_run(run)
    from pixelrec.runs.train import resume_run

    with shown_on(console) as screen:
        return resume_run(opened, opened.dataset(folder_of(data)), screen, overrides)


@checked
def train_final(
    run: Run | Place,
    *,
    data: Dataset | Place | None = None,
    out: Place | None = None,
    console: Console | None = None,
) -> Run:
    """Train the recipe of a finished run on every event.

    For production: the test events are trained on too, for as many epochs as the validation of the run chose,
    with its learning rates. The new run has no metrics; it recommends and can be published. Ctrl-C and
    `train --resume` work as for any run.

    Args:
        run: run folder of a finished training.
        data: data set folder; by default that of the run. Another one, such as one with newer events, serves
            too.
        out: run folder to write, new or empty; runs/<date>-<time>-<recipe> by default.
        console: as in `train`.

    Raises:
        RunError: the run has not finished, is final or a blend, or no epoch of it was better than its start.
        StoppedError: by a signal, as in `train`.
    """
    opened, place = as_run(run), None if out is None else Path(out)
    if place is not None:
        from pixelrec.runs.place import demand_new

        demand_new(place)
    from pixelrec.runs.final import Final
    from pixelrec.runs.train import train_recipe

    final = Final.of(opened)
    dataset = opened.dataset() if data is None else as_dataset(data)
    with shown_on(console) as screen:
        return train_recipe(opened.recipe, dataset, place, screen, final)


@checked
def blend(
    runs: Run | Place | Sequence[Run | Place] = (),
    *,
    out: Place,
    baselines: Sequence[Baseline] = (),
    features: FeatureFile | Place | None = None,
    data: Dataset | Place | None = None,
    console: Console | None = None,
) -> BlendResult:
    """Mix the scores of runs and baselines.

    The scores of each are standardised for each user over all items, and added with weights that are best for
    NDCG@10 on validation; one part alone is one of the choices. Test events are not read.

    Args:
        runs: folders of trained runs on one data set.
        out: run folder to write, new or empty: evaluate, compare, recommend and report take it.
        baselines: baselines to mix in; vis-rank and l3ae compare vectors of `features`.
        features: feature file of vis-rank and l3ae; by default the only one of the data set.
        data: data set folder; by default that of the first run.
        console: for progress; without one, nothing is printed.

    Returns:
        `weights` by part, and `metrics` on validation of each part and of the blend; its `run`.

    Raises:
        RequestError: fewer than two parts, or an unknown baseline.
        RunError: a run is of other data or has no finished epoch, or `out` is not empty.
    """
    given = list(runs) if isinstance(runs, Iterable) else [runs]
    names, place = list(dict.fromkeys(baselines)), Path(out)
    if not 2 <= len(given) + len(names) <= MOST_PARTS:
        raise RequestError(
            f"a blend of {plural(len(given) + len(names), 'part')}; give 2 to {MOST_PARTS} runs and "
            "baselines, such as --baselines ease item-knn"
        )
    if data is None and not given:
        raise RequestError("which data set? Give --data PATH (data='PATH' in Python), or a run")
    from pixelrec.runs.place import demand_new

    demand_new(place)
    opened = [as_run(run) for run in given]
    if len({run.folder.resolve() for run in opened}) < len(opened):
        raise RequestError("a run is given twice; give each once")
    vectors = None if features is None else as_features(features)
    from pixelrec.runs.blending import blend_models

    dataset = opened[0].dataset(folder_of(data)) if opened else as_dataset(data or "")
    with shown_on(console) as screen, activity("blending", screen) as told:
        return blend_models(opened, names, vectors, dataset, place, told)


@checked
def demo(*, out: Place = Path("demo"), seed: Seed = 0, console: Console | None = None) -> Demonstration:
    """Show it all in a generated shop, in a few minutes.

    A recommender over ids and two over pictures, trained end to end and fitted, are tested; a report
    compares them.

    Args:
        out: folder for everything, new or empty.
        seed: seed of the generated shop and of training.
        console: for what is done; without one, nothing is printed.

    Returns:
        The three runs, and the best metrics that are possible, as the shop was generated.
    """
    from pixelrec.files.atomic import demand_empty

    place = Path(out)
    demand_empty(place, RequestError, "choose another --out")
    from pixelrec.demonstration.demonstrate import demonstrate

    with shown_on(console) as screen:
        return demonstrate(place, seed, screen)
