"""The demonstration: one user model over ids and over pixels, in a generated shop whose law is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from rich.console import Console

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.demonstration.world import World, generate_world
from pixelrec.errors import RequestError
from pixelrec.evaluation.comparison import METRIC
from pixelrec.images.pack import pack
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.compare import RunDifference
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.report import report_file, write_run_report
from pixelrec.runs.run import Run
from pixelrec.runs.train import train_recipe
from pixelrec.training.journal import read_journal

if TYPE_CHECKING:
    pass

PICTURE_SIZE = 64  # large enough for the report, and half as dear as 96


@final
@dataclass(frozen=True)
class Contender:
    """A recipe of the demo, with what is enough for a world this small.

    Args:
        name: what people read.
        doing: the same while it trains.
        recipe: that is shipped.
        folder: of its run, within the demo's.
        choices: in place of the recipe's.
    """

    name: str
    doing: str
    recipe: str
    folder: str
    config: Mapping[str, Any]

    def overrides(self, seed: int) -> dict[str, Any]:
        return {"seed": seed, "length": 20, "training.patience": 5, **self.config}


IDS = Contender(
    "SASRec over ids",
    "training   SASRec over ids: a vector for every item",
    "sasrec-id",
    "run-ids",
    {"optimiser.learning_rate": 0.002, "training.epochs": 40},
)
PIXELS = Contender(
    "SASRec over pixels",
    "training   SASRec over pixels: the same, but a small network makes the vectors from the covers",
    "sasrec-scratch",
    "run-pixels",
    {"training.epochs": 12, "items.cache": "never"},  # nothing is frozen that a cache could hold
)
CONTENDERS = (IDS.name, PIXELS.name)


@final
@dataclass(frozen=True)
class Demonstration:
    """Two runs of one user model on one data set, both evaluated on test.

    Args:
        ids: the run over item ids.
        pixels: the run over pictures, whose `report.html` has the other one beside it.
        ceiling: test metrics that nobody can beat, in fractions, since the law of the world is known.
    """

    ids: Run
    pixels: Run
    ceiling: Mapping[str, float]

    @property
    def report(self) -> Path:
        return report_file(self.pixels.folder, "test")

    @property
    def difference(self) -> RunDifference:
        """Pixels less ids, user by user."""
        return RunDifference.read(self.pixels.folder, self.ids.folder, "test")


def open_shop(out: Path, seed: int, console: Console) -> tuple[World, Dataset]:
    """Generates the world, prepares it as anybody's files are, and packs its covers.

    Raises:
        RequestError: picture networks are not installed.
        DataError: `out` holds a world already.
    """
    if find_spec("transformers") is None:  # said before a minute is spent on ids
        raise RequestError("the demo needs picture networks; pip install 'pixelrec[pixels]'")
    world = generate_world(out / "world", seed=seed)
    console.print(f"world      {world.folder}: interactions, item information and covers, drawn by code")
    dataset = prepare(world.interactions, out=out / "data", items=world.items)
    packed = pack(world.covers, dataset.covers, list(dataset.item_ids), size=PICTURE_SIZE).packed
    counts = f"{dataset.users:,} users, {dataset.items:,} items, {packed} covers"
    console.print(f"data set   {dataset.folder}: {counts}")
    return world, dataset


def demonstrate(out: Path, seed: int, console: Console) -> Demonstration:
    """Opens the shop, trains and tests both contenders, and writes the report.

    Raises:
        As `open_shop` does; `StoppedError` by a signal.
    """
    world, dataset = open_shop(out, seed, console)
    with console.status("training"):
        ids = _run_of(IDS, dataset, out, seed, console, shown=Console(quiet=True))
    pixels = _run_of(PIXELS, dataset, out, seed, console, shown=console)
    ceiling = world.best_possible(5) | world.best_possible(10)
    write_run_report(pixels, dataset, "test", ceiling, beside=[ids])
    return Demonstration(ids, pixels, ceiling)


def _run_of(
    each: Contender, dataset: Dataset, out: Path, seed: int, console: Console, *, shown: Console
) -> Run:
    """shown: where its epochs are reported."""
    console.print(each.doing, highlight=False)
    recipe = read_recipe(each.recipe, each.overrides(seed))
    run = train_recipe(recipe, dataset, out / each.folder, shown)
    evaluate_run(run, dataset, "test")
    console.print(how_it_went(each, run), highlight=False)
    return run


def how_it_went(contender: Contender, run: Run) -> str:
    """The epochs of a run and the best of them, in a line."""
    epochs = read_journal(run.folder / "metrics.jsonl")
    best, seconds = max(row[METRIC] for row in epochs), sum(row["seconds"] for row in epochs)
    found = f"{epochs[-1]['epoch']} epochs in {seconds:.0f} s, best validation {METRIC} {100 * best:.2f} %"
    return f"trained    {contender.name} (recipe {contender.recipe}): {found}"
