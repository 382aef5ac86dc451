"""Trains a recipe on a data set in a new run folder, or resumes a run."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pixelrec.console.terminal import say
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import DataError, RecipeError, RunError, StoppedError, memory_explained
from pixelrec.evaluation.metrics import metrics
from pixelrec.files.checkpoint import read_description
from pixelrec.files.lock import exclusive
from pixelrec.numerics.precision import emulation_line
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import Recipe
from pixelrec.runs.about import demand_new
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.run import Run, new_folder
from pixelrec.runs.validate import sharded_catalogue, validate
from pixelrec.runs.warm_start import WarmStart, start_from
from pixelrec.training.interruption import Interruption
from pixelrec.training.journal import Journal
from pixelrec.training.loop import Parts, fit, validate_start
from pixelrec.training.optimiser import Optimiser, OptimiserConfig
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
    if out is not None and processes.leads:
        demand_new(out)  # before networks are loaded and caches made
    start = WarmStart.of(recipe)
    parts = build_parts(recipe, dataset, processes)
    _prepare(parts, console, start, dataset)
    items, origin = parts.recommender.items, start.origin if start else None
    run = processes.from_leader(
        lambda: Run.create(
            out or new_folder(recipe),
            recipe,
            dataset,
            reads=items.reads,
            described=items.describe(),
            start=origin,
        )
    )
    with _locked(run, processes):
        return _train(parts, run, Progress(), console)


@memory_explained(f"start again with {SMALLER}; training.warm_start takes over what this run has learnt")
def resume_run(run: Run, dataset: Dataset, console: Console) -> Run:
    """Continues a run to the same result as if it had not been interrupted.

    Raises `StoppedError` after another signal, and `RunError` if its state is damaged, or was saved by
    another number of processes.
    """
    processes = Processes.launched(run.recipe.training.device)
    with _locked(run, processes):
        state = load_state(run.folder / "last")
        if state is None:  # it was killed before it saved any
            parts = build_parts(run.recipe, dataset, processes)
            _prepare(parts, console, WarmStart.of_run(run), dataset)
            return _train(parts, run, Progress(), console)
        if state.progress.finished:
            if processes.leads:
                best = state.progress.best_epoch or "the start"
                console.print(f"{run.folder} has finished: {state.progress.epoch} epochs, best {best}")
            return run
        described = read_description(state.folder).get("described")
        parts = build_parts(run.recipe, dataset, processes, described)
        state.restore(parts.recommender, parts.optimiser, processes.index, processes.count)
        _prepare(parts, console, None, dataset)
        return _train(parts, run, state.progress, console)


def _locked(run: Run, processes: Processes) -> AbstractContextManager[None]:
    """Only one training at a time writes into a run folder; evaluations may read its best checkpoint."""
    if not processes.leads:
        return nullcontext()
    return exclusive(run.folder / ".lock", f"{run.folder} is being trained", RunError)


def _train(parts: Parts, run: Run, progress: Progress, console: Console) -> Run:
    validated = -1 if progress.best is None else progress.epoch
    journal = Journal(run.folder, validated, console) if parts.processes.leads else None
    try:
        if parts.config.warm_start and progress.best is None:
            validate_start(parts, run.folder, journal, progress)
        if parts.batcher.negatives.bank and parts.recommender.bank is None:
            parts.recommender.bank = sharded_catalogue(parts.recommender, parts.processes).encoded
        with Interruption() as interruption:
            fit(parts, run.folder, journal, progress, interruption)
    finally:
        if journal is not None:
            journal.close()
    parts.processes.wait()  # a process that exits early would break the connection of the others
    if not progress.finished:
        # Without a signal of its own, this process stopped because another one got one.
        raise StoppedError(
            interruption.signal or signal.SIGTERM,
            f"continue with: pixelrec train --resume {run.folder}",
        )
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
