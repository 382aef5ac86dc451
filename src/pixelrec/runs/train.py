"""Trains a recipe on a data set in a new run folder, or resumes a run."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pixelrec.console.terminal import say
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import DataError, RecipeError, StoppedError, memory_explained
from pixelrec.evaluation.metrics import metrics
from pixelrec.files.atomic import recover
from pixelrec.files.checkpoint import read_description
from pixelrec.numerics.precision import emulation_line
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import Recipe
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.place import claimed, training_lock
from pixelrec.runs.run import Run, new_folder
from pixelrec.runs.validate import sharded_catalogue, validate
from pixelrec.runs.warm_start import WarmStart, start_from
from pixelrec.training.config import OptimiserConfig
from pixelrec.training.interruption import Interruption
from pixelrec.training.journal import JOURNAL, Journal, rows_until
from pixelrec.training.loop import Parts, demand_position, fit, validate_start
from pixelrec.training.optimiser import Optimiser
from pixelrec.training.processes import Processes
from pixelrec.training.state import Progress, load_state

SMALLER = (
    "a smaller training.batch_size, negatives.drawn, length or items.width, and for pictures items.chunk or "
    "items.keep_activations"
)


@memory_explained(f"train with {SMALLER}")
def train_recipe(recipe: Recipe, dataset: Dataset, out: Path | None, console: Console) -> Run:
    """Trains a recipe in a new run folder; raises `StoppedError` after a signal: it can be resumed."""
    processes = Processes.launched(recipe.training.device)
    folder = out or new_folder(recipe)
    with claimed(folder) if processes.leads else nullcontext():  # before networks are loaded and caches made
        start = WarmStart.of(recipe)
        parts = build_parts(recipe, dataset, processes, start.described if start else None)
        _prepare(parts, console, start, dataset)
        items, origin = parts.recommender.items, start.origin if start else None
        run = processes.from_leader(
            lambda: Run.create(
                folder, recipe, dataset, reads=items.reads, described=items.describe(), start=origin
            )
        )
        return _train(parts, run, Progress(), console)


@memory_explained(f"start again with {SMALLER}; training.warm_start takes over what this run has learnt")
def resume_run(run: Run, dataset: Dataset, console: Console) -> Run:
    """Continues a run to the same result as if it had not been interrupted.

    Raises `StoppedError` after another signal, and `RunError` if its state is damaged, or was saved by
    another number of processes.
    """
    processes = Processes.launched(run.recipe.training.device)
    with training_lock(run.folder) if processes.leads else nullcontext():
        for name in ("best", "last") if processes.leads else ():
            recover(run.folder / name, None)  # also where nothing is left to train, which would write them
        state = load_state(run.folder / "last")
        if state is None:  # it was killed before it saved any
            start = WarmStart.of_run(run)
            parts = build_parts(run.recipe, dataset, processes, start.described if start else None)
            _prepare(parts, console, start, dataset)
            return _train(parts, run, Progress(), console)
        if state.progress.finished:
            if processes.leads:
                best = state.progress.best_epoch or "the start"
                console.print(f"{run.folder} has finished: {state.progress.epoch} epochs, best {best}")
            return run
        rows_until(run.folder / JOURNAL, state.progress.validated, run.recipe.training.monitor)
        described = read_description(state.folder).get("described")
        parts = build_parts(run.recipe, dataset, processes, described)
        demand_position(parts, state)
        state.restore(parts.recommender, parts.optimiser, processes.index, processes.count)
        _prepare(parts, console, None, dataset)
        return _train(parts, run, state.progress, console)


def _train(parts: Parts, run: Run, progress: Progress, console: Console) -> Run:
    journal = None
    if parts.processes.leads:
        journal = Journal(run.folder, progress.validated, parts.config.monitor, console)
    how = f"continue with: pixelrec train --resume {quote(str(run.folder))}"
    try:
        if (parts.config.warm_start or parts.config.epochs == 0) and progress.best is None:
            validate_start(parts, run.folder, journal, progress)
        if parts.batcher.negatives.bank and parts.recommender.bank is None:
            parts.recommender.bank = sharded_catalogue(parts.recommender, parts.processes).encoded
        with Interruption() as interruption:
            fit(parts, run.folder, journal, progress, interruption)
    except KeyboardInterrupt as interrupt:
        raise StoppedError.by(interrupt, how) from None
    finally:
        if journal is not None:
            journal.close()
    parts.processes.wait()  # a process that exits early would break the connection of the others
    if not progress.finished:
        # Without a signal of its own, this process stopped because another one got one.
        raise StoppedError(interruption.signal or signal.SIGTERM, how)
    return run


def build_parts(
    recipe: Recipe,
    dataset: Dataset,
    processes: Processes,
    described: Mapping[str, Any] | None = None,
) -> Parts:
    """Everything that takes part in training, made from the same seed in every process.

    described: the saved description of the item encoder; without it, the encoder reads its sources.
    """
    dataset.verify()
    histories = training_events(dataset)
    spec = dataset.spec(recipe["length"], histories)
    torch.manual_seed(recipe["seed"])
    recommender = build_recommender(recipe, spec, described).to(processes.device)
    loss = build_loss(recipe)
    batcher = build_batcher(
        recipe,
        recommender,
        histories,
        process=processes.index,
        processes=processes.count,
        spare=0 if recommender.items.expensive else 1,  # steps are long then, and batches large
        pinned=processes.device.type == "cuda",
    )
    if not len(batcher):
        raise DataError(
            f"{dataset.folder}: no user has enough events to train {recipe['users']['name']}: a target "
            "needs an event before it that neither validates nor tests; give longer histories"
        )
    cases, bank = cases_of(dataset, "validation"), batcher.negatives.bank
    known = metrics(np.ones(1, np.int64))
    if (monitor := recipe.training.monitor) not in known:
        raise RecipeError(f"training.monitor is {monitor!r}; expected one of {', '.join(known)}")
    config = OptimiserConfig(**recipe["optimiser"])
    optimiser = Optimiser(recommender, config, config.is_lazy(processes.device.type, processes.count))
    # Dropout differs between processes; weights must not.
    torch.manual_seed(recipe["seed"] * processes.count + processes.index)
    return Parts(
        recommender,
        processes.wrapped(recommender),
        batcher,
        loss,
        optimiser,
        lambda trained: validate(trained, cases, processes, bank),
        processes,
        recipe.training,
    )


def _prepare(parts: Parts, console: Console, start: WarmStart | None, dataset: Dataset) -> None:
    """Weights of another run, if the recipe starts from one; then the item encoder's checks and caches."""

    def on_leader(line: str) -> None:
        if parts.processes.leads:
            say(line, console)

    if start is not None:
        on_leader(start_from(start, parts.recommender, dataset))
    if line := emulation_line(parts.config.precision, parts.processes.device):
        on_leader(f"training: {line}")
    parts.recommender.items.prepare(on_leader)
    parts.processes.share_buffers(parts.recommender)
