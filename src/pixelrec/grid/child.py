"""The process of one cell: `python -m pixelrec.grid.child`, with the arguments of `work` as JSON on stdin.

It trains or resumes, records the costs, and evaluates. It inherits the cell's lock from the runner and holds
it until it ends. If the runner dies, its standard input ends: then it saves and stops as on Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import torch

from pixelrec.choices import Split
from pixelrec.console.terminal import Output, Screen
from pixelrec.data.dataset import Dataset
from pixelrec.errors import PixelrecError, StoppedError
from pixelrec.grid.cell import Cell, Costs
from pixelrec.recipe.recipe import resolve
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.machine import peak_memory, processor
from pixelrec.runs.results import is_evaluated, result_file
from pixelrec.runs.run import Run
from pixelrec.runs.train import resume_run, train_recipe
from pixelrec.training.interruption import interruptible
from pixelrec.training.journal import cost_of, read_journal


def main() -> int:
    """The exit status: 0, that of the error, or 128 + the number of the signal that interrupted."""
    order = json.loads(sys.stdin.readline())
    Thread(target=_stop_with_the_runner, daemon=True).start()
    try:
        with interruptible():
            work(**order)
    except KeyboardInterrupt as interrupt:
        return _failed(StoppedError.by(interrupt, "the same command continues"))
    except PixelrecError as error:
        return _failed(error)
    return 0


def _failed(error: PixelrecError) -> int:
    with suppress(OSError):  # the disk of the log is full
        print(" ".join(str(error).split()), file=sys.stderr)
    return error.exit_code


def _stop_with_the_runner() -> None:
    """The runner sends nothing more, so the end of the input is the end of the runner."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def work(recipe: str, values: Mapping[str, Any], folder: str, data: str, split: Split, jobs: int) -> None:
    """Trains and evaluates a cell as far as that is not done yet.

    recipe, values: name and values of the recipe. jobs: cells running at a time. Raises `StoppedError` after
    a signal, another `PixelrecError` if the recipe does not fit, training diverges, a checkpoint is damaged …
    """
    cell, dataset = Cell(resolve(recipe, values, {}), Path(folder)), Dataset.open(Path(data))
    if Costs.read(cell.folder) is None:
        _train(cell, dataset, jobs)
    if cell.state(split) != "done":
        evaluate_run(Run.open(cell.folder), dataset, split)


def _train(cell: Cell, dataset: Dataset, jobs: int) -> None:
    console = Screen.on(Output(sys.stdout))
    journal = cell.folder / "metrics.jsonl"  # resuming a finished training leaves it alone
    monitor = cell.recipe.training.monitor
    before = len(read_journal(journal, monitor))
    if cell.about is not None:
        run = resume_run(Run.open(cell.folder), dataset, console)
    else:
        run = train_recipe(cell.recipe, dataset, cell.folder, console)
    for split in get_args(Split):  # a checkpoint may have been evaluated that is no longer the best
        if not is_evaluated(run.folder, split):
            result_file(run.folder, split).unlink(missing_ok=True)
    _costs(run, dataset, jobs, trained=len(read_journal(journal, monitor)) > before).write(run.folder)


def _costs(run: Run, dataset: Dataset, jobs: int, *, trained: bool) -> Costs:
    memory = peak_memory() if trained else None  # before the recommender is loaded again to count parameters
    on_device = torch.cuda.is_available() and run.recipe.training.device != "cpu"
    monitor = run.recipe.training.monitor
    epochs = read_journal(run.folder / "metrics.jsonl", monitor)
    recommender, cost = run.recommender(dataset), cost_of(epochs)
    return Costs(
        epochs=epochs[-1]["epoch"],
        best_epoch=max(epochs, key=lambda row: row[monitor])["epoch"],
        seconds=cost["seconds"],
        cpu_seconds=cost["cpu_seconds"] if all("cpu_seconds" in row for row in epochs) else None,
        encodes=cost["encodes"],
        trained_encodes=cost["trained_encodes"],
        parameters=sum(parameter.numel() for parameter in recommender.parameters()),
        memory=memory,
        device_memory=torch.cuda.max_memory_allocated() if on_device and trained else None,
        machine=torch.cuda.get_device_name() if on_device else processor(),
        threads=torch.get_num_threads(),
        jobs=jobs,
    )


if __name__ == "__main__":
    raise SystemExit(main())
