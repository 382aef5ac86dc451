"""What `pixelrec demo` shows: one user model over ids and over pixels, in a shop whose law is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from rich.console import Console

from pixelrec.data.dataset import Dataset
from pixelrec.data.demo import World, generate_world
from pixelrec.data.prepare import prepare
from pixelrec.errors import RequestError
from pixelrec.evaluation.comparison import METRIC, best_first
from pixelrec.evaluation.measure import measure
from pixelrec.evaluation.measured import Measured
from pixelrec.evaluation.pairing import Pairing, compare_runs
from pixelrec.evaluation.printed import COLOURS
from pixelrec.evaluation.slices import FEW_EVENTS
from pixelrec.fitting import train_recipe, uninterrupted
from pixelrec.images.pack import pack
from pixelrec.recipe import read_recipe
from pixelrec.run import Run
from pixelrec.run_report import report_file, write_run_report
from pixelrec.terminal import fitting, plain_table, say
from pixelrec.training.journal import read_journal

if TYPE_CHECKING:
    from rich.table import Table

PICTURE_SIZE = 64  # large enough for the report, and half as dear as 96
SHOWN = ("Recall@10", METRIC)
BEST_POSSIBLE = "best possible"
Metrics = Mapping[str, Mapping[str, float]]  # by what a row is called, in fractions


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
    choices: Mapping[str, Any]

    def overrides(self, seed: int) -> dict[str, Any]:
        return {"seed": seed, "length": 20, "training.patience": 5, **self.choices}


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
    def pairing(self) -> Pairing:
        """Pixels less ids, user by user."""
        return compare_runs(self.pixels.folder, self.ids.folder, "test")


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
        As `open_shop` does; `InterruptedError` by a signal.
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
    run = uninterrupted(*train_recipe(recipe, dataset, out / each.folder, shown))
    measure(run, dataset, "test")
    console.print(how_it_went(each, run), highlight=False)
    return run


def how_it_went(contender: Contender, run: Run) -> str:
    """The epochs of a run and the best of them, in a line."""
    epochs = read_journal(run.folder / "metrics.jsonl")
    best, seconds = max(row[METRIC] for row in epochs), sum(row["seconds"] for row in epochs)
    found = f"{epochs[-1]['epoch']} epochs in {seconds:.0f} s, best validation {METRIC} {100 * best:.2f} %"
    return f"trained    {contender.name} (recipe {contender.recipe}): {found}"


def print_demonstration(found: Demonstration, console: Console) -> None:
    """One table, over all test events and over those of few-event items, and what it says of the two runs."""
    pairing = found.pairing
    console.print()
    columns = _columns(found)
    console.print(fitting([_table(columns, found.ceiling, shown) for shown in (SHOWN, (METRIC,))], console))
    console.print()
    for pair in (pairing.overall, pairing.few):
        if pair is not None:
            say(pair.sentence(PIXELS.name, IDS.name), console, f"bold {COLOURS[pair.verdict]}")


@final
@dataclass(frozen=True)
class _Columns:
    """Metrics of both contenders and of all baselines, in fractions, on some test events."""

    head: str
    rows: Mapping[str, Mapping[str, float]]

    @property
    def best_baseline(self) -> str:
        return next(name for name in best_first(self.rows) if name not in CONTENDERS)


def _columns(found: Demonstration) -> list[_Columns]:
    """All test events, and those of few-event items if there are any."""
    runs = {IDS.name: found.ids, PIXELS.name: found.pixels}
    measured = {name: Measured.read(run.folder, "test") for name, run in runs.items()}
    questions = sum(part.questions for part in measured[PIXELS.name].slices)
    every = {name: (each.model, each.metrics) for name, each in measured.items()}
    columns = [_Columns(f"\nall items\n(n = {questions:,})", _rows(every))]
    parts = {name: each.slice(FEW_EVENTS.name) for name, each in measured.items()}
    few = {name: (measured[name].model, part.metrics) for name, part in parts.items() if part is not None}
    if part := parts[PIXELS.name]:
        columns.append(_Columns(f"items with\n{part.events}\n(n = {part.questions:,})", _rows(few)))
    return columns


def _rows(found: Mapping[str, tuple[str, Metrics]]) -> dict[str, Mapping[str, float]]:
    """Every contender under its own name, not its recipe's; baselines are the same beside either."""
    rows: dict[str, Mapping[str, float]] = {}
    for name, (model, metrics) in found.items():
        rows |= {name if row == model else row: values for row, values in metrics.items()}
    return rows


def _table(columns: Sequence[_Columns], ceiling: Mapping[str, float], metrics: Sequence[str]) -> Table:
    """From the best to the worst over all events; of the baselines popularity, and the best of each part."""
    table = plain_table()
    table.add_column("\n\n\ntest, %", no_wrap=True)
    for each in columns:
        for head, metric in zip((each.head, "\n\n"), metrics, strict=False):
            table.add_column(f"{head}\n{metric}", justify="right", no_wrap=True)
    shown = {BEST_POSSIBLE, *CONTENDERS, "popularity", *(each.best_baseline for each in columns)}
    for name in best_first({BEST_POSSIBLE: ceiling, **columns[0].rows}):
        if name in shown:
            values = [ceiling if name == BEST_POSSIBLE else columns[0].rows[name]]
            values += [each.rows.get(name, {}) for each in columns[1:]]
            cells = [_cell(value, metric) for value in values for metric in metrics]
            table.add_row(name, *cells, style="bold" if name in CONTENDERS else None)
    return table


def _cell(values: Mapping[str, float], metric: str) -> str:
    return f"{100 * values[metric]:.2f}" if metric in values else "–"
