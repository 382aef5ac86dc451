"""The verbs of pixelrec as functions: what the command line calls, and what `import pixelrec` offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pixelrec.choices import Fit, Missing, Split, TimeUnit, ids, listed
from pixelrec.data.covers import pack_covers, packing_of_draft
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare as prepare_interactions
from pixelrec.errors import RequestError, option
from pixelrec.images.pack import PackReport, pack

if TYPE_CHECKING:
    import polars as pl

    from pixelrec.demonstration.demonstrate import Demonstration
    from pixelrec.grid.outcome import Outcome
    from pixelrec.images.doctor import CheckReport
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.compare import RunComparison
    from pixelrec.runs.run import Run

QUIET = Console(quiet=True)


def prepare(
    interactions: Path | str,
    *,
    out: Path | str,
    items: Path | str | None = None,
    covers: Path | str | None = None,
    size: int = 224,
    fit: Fit = "stretch",
    missing: Missing = "error",
    item_column: str = "item_id",
    user_column: str = "user_id",
    time_column: str = "timestamp",
    time_unit: TimeUnit = "s",
    overwrite: bool = False,
    console: Console = QUIET,
) -> Dataset:
    """Turns interactions, and covers if given, into a data set folder: all of it, or nothing.

    Args:
        interactions: CSV, CSV.gz, Parquet or a folder of Parquet parts.
        out: the data set folder to make.
        items: CSV or Parquet with a row per item: title, tag, description, counters.
        covers: folder of pictures, `<item_id>.jpg`; packed as `images pack` does.
        size: pixels of a side of a packed picture.
        fit: how a cover becomes square.
        missing: what becomes of items without a usable cover.
        item_column: name of the column of item ids.
        user_column: name of the column of user ids.
        time_column: name of the column of times.
        time_unit: what numbers there count since 1970; they are kept as seconds.
        overwrite: replace a data set that is there already, and its picture store if covers are given.
        console: where it is told what was packed; beside it a progress bar is drawn, on a terminal.

    Raises:
        DataError, ImageError: the input cannot be used; the message says where and how to mend it.
    """
    drafting = None
    if covers is not None:
        drafting = packing_of_draft(
            Path(covers), Path(out), size=size, fit=fit, missing=missing, console=console
        )
    return prepare_interactions(
        Path(interactions),
        out=Path(out),
        items=None if items is None else Path(items),
        item_column=item_column,
        user_column=user_column,
        time_column=time_column,
        time_unit=time_unit,
        overwrite=overwrite,
        pack_covers=drafting,
    )


def pack_images(
    covers: Path | str,
    *,
    data: Path | str,
    size: int = 224,
    fit: Fit = "stretch",
    missing: Missing = "error",
    threads: int | None = None,
    progress: bool = False,
    overwrite: bool = False,
    console: Console = QUIET,
) -> tuple[Dataset, PackReport]:
    """Packs the covers of a data set's items into its picture store; killed, it continues where it was.

    Args:
        covers: folder of pictures, `<item_id>.jpg`.
        data: the data set.
        size: pixels of a side.
        fit: `stretch` to a square, `crop` to the centre square, or `pad` to a square.
        missing: items without a usable cover are an `error`, get a `grey` picture, or go, with all their
            events and for good (`drop-item`).
        threads: that decode; all cores by default.
        progress: draw a progress bar.
        overwrite: start the store anew, as another size or fit needs.
        console: where it is told what was packed.

    Returns:
        The data set, without the items that were dropped, and what was packed.

    Raises:
        ImageError: a cover is missing or broken (with `missing="error"`), or the store is of other choices.
    """
    dataset = Dataset.open(Path(data))
    packing = partial(
        pack,
        Path(covers),
        size=size,
        fit=fit,
        missing=missing,
        threads=threads,
        progress=progress,
        overwrite=overwrite,
    )
    kept, report = pack_covers(dataset, packing, console)
    if kept.items < dataset.items:
        told = "the data set has changed for good: runs trained on it no longer fit; train again"
        console.print(told, highlight=False)
    return kept, report


def check_images(
    covers: Path | str,
    *,
    data: Path | str | None = None,
    duplicates: bool = True,
    threads: int | None = None,
    progress: bool = False,
) -> CheckReport:
    """What packing would meet, without writing: unusable covers, sizes, near-duplicates.

    Args:
        covers: folder of pictures.
        data: a data set whose items need covers; else every picture of the folder is looked at.
        duplicates: look for covers that look alike.
        threads: that decode; all cores by default.
        progress: draw a progress bar.
    """
    from pixelrec.images.doctor import check

    item_ids = None if data is None else list(Dataset.open(Path(data)).item_ids)
    return check(Path(covers), item_ids, threads=threads, duplicates=duplicates, progress=progress)


def train(
    recipe: str | Path | Recipe,
    *,
    data: Path | str,
    out: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    console: Console = QUIET,
) -> Run:
    """Trains a recipe and returns its run folder.

    Args:
        recipe: a name that `recipes` lists, a YAML file, or a `Recipe`.
        data: a data set that `prepare` made.
        out: the run folder; `runs/<time>-<recipe>` by default.
        overrides: dotted key → value, such as `{"users.layers": 3}`.
        console: where epochs are reported.

    Raises:
        RecipeError, DataError, RunError: before anything is written.
        DivergedError: the loss is no number.
        StoppedError: by a signal, whose number it carries; the run can be resumed.
    """
    from pixelrec.recipe.recipe import Recipe as RecipeClass
    from pixelrec.recipe.recipe import read_recipe, resolve
    from pixelrec.runs.train import train_recipe

    if isinstance(recipe, RecipeClass):
        chosen = resolve(recipe.name, recipe.values, overrides or {})
    else:
        chosen = read_recipe(recipe, overrides)
    return train_recipe(chosen, Dataset.open(Path(data)), None if out is None else Path(out), console)


def resume(run: Run | Path | str, *, data: Path | str | None = None, console: Console = QUIET) -> Run:
    """Continues an interrupted run to the same result as if it had not been.

    Raises:
        RunError: its state is damaged, or its data set is another one.
        StoppedError: by a signal, as in `train`.
    """
    from pixelrec.runs.train import resume_run

    opened = _opened(run)
    return resume_run(opened, opened.dataset(data), console)


def _opened(run: Run | Path | str) -> Run:
    from pixelrec.runs.run import Run as RunClass

    return run if isinstance(run, RunClass) else RunClass.open(run)


def evaluate(
    run: Run | Path | str,
    *,
    split: Split = "test",
    data: Path | str | None = None,
    console: Console = QUIET,
) -> dict[str, dict[str, float]]:
    """Metrics of a run's best checkpoint and of every baseline, in fractions.

    Writes `ranks-<split>.parquet` (a row per user) and `evaluation-<split>.json` (metrics over all cases, on
    long-tail items and on the others, and comparisons) into the run folder. Baselines are fitted once for a
    data set and saved inside it.

    Args:
        run: a run folder.
        split: `test` opens the held-out events; nothing else does.
        data: where the data set lies now, if it moved.
        console: where it is shown what is being ranked, if that is a terminal.

    Returns:
        `{"sasrec-id": {"Recall@10": …, …}, "popularity": {…}, …}`.

    Raises:
        RequestError, RunError: there is no such split; no epoch has ended yet.
    """
    from pixelrec.runs.evaluate import evaluate_run

    opened = _opened(run)
    dataset = opened.dataset(data)
    with console.status("ranking") as status:
        found = evaluate_run(opened, dataset, split, lambda name: status.update(f"ranking by {name}"))
    return {model: dict(values) for model, values in found.metrics.items()}


def bench(
    data: Path | str,
    recipes: Sequence[str | Path | Recipe],
    *,
    seeds: int = 3,
    split: Split = "test",
    out: Path | str = "bench",
    overrides: Mapping[str, Any] | None = None,
    jobs: int = 1,
    console: Console = QUIET,
) -> Outcome:
    """Trains and tests recipes × seeds and writes one table; what is done already is kept.

    Args:
        data: a data set that `prepare` made.
        recipes: names, YAML files or `Recipe`s, in the order of the table.
        seeds: runs of each recipe, with the seeds 0, 1, …
        split: what models are compared on.
        out: for the runs, `<recipe>/seed-<k>`, and the tables, `results-<split>.md`, `.csv` and `.html`.
        overrides: dotted key → value, for every recipe.
        jobs: runs at a time, each in a process with its share of the cores.
        console: where progress is reported.

    Returns:
        The comparison, the tables, and which runs failed: one that fails does not stop the others.

    Raises:
        RecipeError, DataError, RunError, RequestError: before anything starts.
        StoppedError: by a signal, whose number it carries; the same call continues.
    """
    from pixelrec.grid.outcome import run_grid
    from pixelrec.grid.plan import plan

    dataset = Dataset.open(Path(data))
    recipes = listed(recipes, "recipes")
    grid = plan(dataset, recipes, seeds=seeds, split=split, out=Path(out), overrides=overrides or {})
    return run_grid(grid, jobs, console)


def compare(run: Run | Path | str, other: Run | Path | str, *, split: Split = "test") -> RunComparison:
    """How far apart two evaluated runs of one data set are, the same users pair by pair.

    Args:
        run: a run folder.
        other: another one, which is taken off.
        split: on which both were evaluated.

    Returns:
        `parts`, metrics and differences over all events and on long-tail items; the verdict, a `sentence`.

    Raises:
        RequestError, RunError: there is no such split; a run was not evaluated on it, or is of other users.
    """
    from pixelrec.runs.compare import RunComparison

    return RunComparison.read(_opened(run), _opened(other), split)


def report(
    run: Run | Path | str,
    *,
    split: Split = "test",
    beside: Sequence[Run | Path | str] = (),
    data: Path | str | None = None,
) -> Path:
    """Writes `report.html`, or `report-validation.html`, into the run folder; evaluates first if need be.

    Args:
        run: a run folder.
        split: whose metrics and users are shown.
        beside: other runs of the same data set, shown in the same tables and compared with it.
        data: where the data set lies now, if it moved.

    Raises:
        RequestError, RunError: there is no such split; a run is of another data set, or stands there twice.
    """
    from pixelrec.runs.report import write_run_report
    from pixelrec.runs.results import is_evaluated

    opened, others = _opened(run), [_opened(other) for other in beside]
    dataset = opened.dataset(data)
    for each in (opened, *others):
        if not is_evaluated(each.folder, split):
            evaluate(each, split=split, data=data)
    return write_run_report(opened, dataset, split, beside=others)


def recommend(
    run: Run | Path | str,
    *,
    users: Sequence[str | int] = (),
    history: Sequence[str | int] = (),
    k: int = 10,
    covers: Sequence[Path | str] = (),
    alone: bool = False,
    data: Path | str | None = None,
) -> pl.DataFrame:
    """The k best items for known users, or for a history of item ids, without what was seen.

    Args:
        run: a run folder.
        users: user ids of the data set; everything they are known to have taken counts as seen.
        history: item ids, oldest first, of somebody the data set does not know.
        k: how many.
        covers: pictures of items that are in no data set yet, for models over pixels: they compete with the
            catalogue, and are called as their files.
        alone: tell of those only, with the places they would take among all that is not seen.
        data: where the data set lies now, if it moved.

    Returns:
        Columns `user_id` (if users were asked for), `place` (1 is best), `item_id`, `score`, perhaps `title`.

    Raises:
        RequestError: an id is unknown, nothing was asked, or the model cannot look at pictures.
        ImageError: a cover is no usable picture.
    """
    from pixelrec.runs.recommend import Wish, for_history, for_users

    if bool(users) == bool(history):
        raise RequestError("ask for users or for a history of item ids: exactly one of the two")
    if k < 1:
        raise RequestError(f"k is {k}; at least 1 recommendation must be asked for")
    if alone and not covers:
        raise RequestError(f"{option('alone')} tells of new pictures only; give some (--with-cover, covers)")
    opened, wish = _opened(run), Wish(k, [Path(cover) for cover in listed(covers, "covers")], alone)
    if users:
        return for_users(opened, opened.dataset(data), ids(users, "users"), wish)
    here = data is not None or Path(opened.about["data"]).exists()
    return for_history(opened, opened.dataset(data) if here else None, ids(history, "history"), wish)


def demo(*, out: Path | str = "demo", seed: int = 0, console: Console = QUIET) -> Demonstration:
    """Generates a shop, trains SASRec over its ids and over its pixels, tests both, and writes the report.

    Args:
        out: the folder for all of it; must be new or empty.
        seed: of the world and of training.
        console: where steps are reported.

    Returns:
        Both runs, and the test metrics that nobody can beat, since the law of the world is known.

    Raises:
        RequestError, DataError: picture networks are not installed; the folder holds something already.
        StoppedError: by a signal, as in `train`.
    """
    from pixelrec.demonstration.demonstrate import demonstrate

    return demonstrate(Path(out), seed, console)
