"""The demonstration: one user model over ids and, in two ways, over pixels, in a world whose law is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console

from pixelrec.console.progress import activity
from pixelrec.console.terminal import say
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.demonstration.world import World, generate_world
from pixelrec.errors import demand_library
from pixelrec.evaluation.comparison import METRIC
from pixelrec.images.pack import pack
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.compare import RunDifference
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.report import report_file, write_run_report
from pixelrec.runs.run import Run
from pixelrec.runs.train import train_recipe
from pixelrec.training.journal import JOURNAL, cost_of, read_journal

PICTURE_SIZE = 64  # large enough for the report, at half the cost of 96


@final
@dataclass(frozen=True)
class Contender:
    """A shipped recipe, with options that suffice for a world this small."""

    name: str
    announcement: str
    recipe: str
    folder: str  # of its run, within the demo's
    options: Mapping[str, Any]

    def overrides(self, seed: int) -> dict[str, Any]:
        return {"seed": seed, "length": 20, "training.patience": 5, **self.options}


IDS = Contender(
    "ids",
    "training   ids: SASRec over a vector for every item, without pictures",
    "sasrec-id",
    "run-ids",
    {"optimiser.learning_rate": 0.002, "training.epochs": 40},
)
_UNCACHED = {"items.cache": "never"}  # no layer is frozen, so there is nothing to cache
PIXELS = Contender(
    "end-to-end pixels",
    "training   end-to-end pixels: a small network makes the vectors from the covers, trained with SASRec",
    "sasrec-scratch",
    "run-pixels",
    {"training.epochs": 20, **_UNCACHED},
)
FITTED = Contender(
    "fitted pixels",
    "training   fitted pixels: the same network, fitted to vectors of ids that are learnt first",
    "sasrec-fitted",
    "run-fitted",
    _UNCACHED,
)
CONTENDERS = (IDS, PIXELS, FITTED)


@final
@dataclass(frozen=True)
class Demonstration:
    """Three runs of one user model on one data set, all evaluated on test."""

    ids: Run
    pixels: Run  # end to end
    fitted: Run  # its `report.html` shows the other two beside it
    ceiling: Mapping[str, float]  # the best possible test metrics, in fractions, by the law of the world

    @property
    def runs(self) -> dict[str, Run]:
        """By the name of the contender."""
        return {IDS.name: self.ids, PIXELS.name: self.pixels, FITTED.name: self.fitted}

    @property
    def report(self) -> Path:
        return report_file(self.fitted.folder, "test")

    @property
    def differences(self) -> dict[str, RunDifference]:
        """Fitted pixels minus each other run, user by user; by its name."""
        others = {IDS.name: self.ids, PIXELS.name: self.pixels}
        return {
            name: RunDifference.read(self.fitted.folder, run.folder, "test") for name, run in others.items()
        }


def make_dataset(out: Path, seed: int, console: Console) -> tuple[World, Dataset]:
    """Generates the world, prepares it like any user's files, and packs its covers.

    Raises:
        RequestError: picture networks are not installed.
        DataError: `out` holds a world already.
    """
    # Before a minute is spent on ids.
    demand_library("transformers", need="the demo", extra="pixels")
    world = generate_world(out / "world", seed=seed)
    say(f"world      {world.folder}: interactions, item information and covers, drawn by code", console)
    dataset = prepare(world.interactions, out=out / "data", items=world.items)
    packed = pack(world.covers, dataset.covers, list(dataset.item_ids), size=PICTURE_SIZE).packed
    counts = f"{dataset.users:,} users, {dataset.items:,} items, {packed} covers"
    say(f"data set   {dataset.folder}: {counts}", console)
    return world, dataset


def demonstrate(out: Path, seed: int, console: Console) -> Demonstration:
    """Generates the world, trains and evaluates all contenders, and writes the report.

    Raises:
        RequestError, DataError: as `make_dataset`.
        StoppedError: by a signal.
    """
    world, dataset = make_dataset(out, seed, console)
    with activity("training", console):
        ids = _train_and_test(IDS, dataset, out, seed, console, epochs=Console(quiet=True))
    pixels = _train_and_test(PIXELS, dataset, out, seed, console, epochs=console)
    with activity("training", console):  # three stages, whose lines need the docs
        fitted = _train_and_test(FITTED, dataset, out, seed, console, epochs=Console(quiet=True))
    ceiling = world.best_possible(5) | world.best_possible(10)
    write_run_report(fitted, dataset, "test", ceiling, beside=[pixels, ids])
    return Demonstration(ids, pixels, fitted, ceiling)


def _train_and_test(
    each: Contender, dataset: Dataset, out: Path, seed: int, console: Console, *, epochs: Console
) -> Run:
    """epochs: where they are reported."""
    console.print(each.announcement, highlight=False)
    recipe = read_recipe(each.recipe, each.overrides(seed))
    run = train_recipe(recipe, dataset, out / each.folder, epochs)
    evaluate_run(run, dataset, "test")
    rows = read_journal(run.folder / JOURNAL, METRIC)
    best, seconds = max(row[METRIC] for row in rows), cost_of(rows)["seconds"]
    found = f"{rows[-1]['epoch']} epochs in {seconds:.0f} s, best validation {METRIC} {100 * best:.2f} %"
    console.print(f"trained    {each.name} (recipe {each.recipe}): {found}", highlight=False)
    return run
