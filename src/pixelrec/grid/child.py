"""The process of one cell: `python -m pixelrec.grid.child`, told on its standard input what to do.

It trains (or goes on), notes what that cost, and ranks. It holds the cell's lock, inherited from the runner,
as long as it lives. When the runner dies, its standard input ends: then it saves and stops as on Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Self, final

import torch
from rich.console import Console

from pixelrec.choices import Split
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import PixelrecError
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.machine import peak_memory, processor
from pixelrec.recipe.recipe import Recipe, resolve
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.run import Run
from pixelrec.runs.train import resume_run, train_recipe
from pixelrec.training.journal import read_journal


@final
@dataclass(frozen=True)
class Order:
    """What the runner tells its child, as a line of JSON."""

    recipe: Recipe
    folder: Path
    data: Path
    split: Split
    jobs: int

    def to_line(self) -> str:
        recipe = {"name": self.recipe.name, "values": self.recipe.values}
        places = {"folder": str(self.folder), "data": str(self.data)}
        return json.dumps({"recipe": recipe, **places, "split": self.split, "jobs": self.jobs}) + "\n"

    @classmethod
    def of_line(cls, line: str) -> Self:
        told = json.loads(line)
        recipe = resolve(told["recipe"]["name"], told["recipe"]["values"], {})
        return cls(recipe, Path(told["folder"]), Path(told["data"]), told["split"], told["jobs"])


def main() -> int:
    """The exit status: 0, that of the error, or 128 + the number of the signal that interrupted."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a log that people follow
    order = Order.of_line(sys.stdin.readline())
    Thread(target=_stop_with_the_runner, daemon=True).start()
    try:
        work(order)
    except PixelrecError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    return 0


def _stop_with_the_runner() -> None:
    """Nothing more comes from the runner; that it comes to an end says that the runner has."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def work(order: Order) -> None:
    """Trains and ranks what is still missing.

    Raises:
        StoppedError: by a signal.
        PixelrecError: the recipe does not fit, training diverges, a checkpoint is damaged, …
    """
    cell, dataset = Cell(order.recipe, order.folder), Dataset.open(order.data)
    if Costs.read(cell.folder) is None:
        _train(cell, dataset, order.jobs)
    if not cell.is_ranked(order.split):
        evaluate_run(Run.open(cell.folder), dataset, order.split)


def _train(cell: Cell, dataset: Dataset, jobs: int) -> None:
    console = Console(file=sys.stdout, force_terminal=False, soft_wrap=True, markup=False, emoji=False)
    before = _written(cell.folder)
    cell.clear()
    if cell.is_begun():
        run = resume_run(Run.open(cell.folder), dataset, console)
    else:
        run = train_recipe(cell.recipe, dataset, cell.folder, console)
    _costs(run, dataset, jobs, trained=_written(cell.folder) != before).write(run.folder)


def _written(run: Path) -> int:
    """When the journal last was; a training that has finished already leaves it alone."""
    journal = run / "metrics.jsonl"
    return journal.stat().st_mtime_ns if journal.exists() else 0


def _costs(run: Run, dataset: Dataset, jobs: int, *, trained: bool) -> Costs:
    memory = peak_memory() if trained else None  # before the recommender is loaded once more to count it
    on_device = torch.cuda.is_available() and run.recipe.training.device != "cpu"
    epochs = read_journal(run.folder / "metrics.jsonl")
    monitor = run.recipe.training.monitor
    recommender = run.recommender(dataset.spec(run.length, training_events(dataset)))
    return Costs(
        epochs=epochs[-1]["epoch"],
        best_epoch=max(epochs, key=lambda row: row[monitor])["epoch"],
        seconds=round(sum(row["seconds"] for row in epochs), 3),
        parameters=sum(parameter.numel() for parameter in recommender.parameters()),
        memory=memory,
        device_memory=torch.cuda.max_memory_allocated() if on_device and trained else None,
        machine=torch.cuda.get_device_name() if on_device else processor(),
        threads=torch.get_num_threads(),
        jobs=jobs,
    )


if __name__ == "__main__":
    raise SystemExit(main())
