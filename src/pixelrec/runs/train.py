"""Puts a recipe, a data set and a run folder together, and trains."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import (
    GradientAccumulationPlugin,
    broadcast,
    broadcast_object_list,
    gather_object,
)
from rich.console import Console
from torch import Tensor

from pixelrec.console.terminal import say
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, training_events, validation_cases
from pixelrec.errors import DataError, RecipeError, memory_explained
from pixelrec.evaluation.evaluate import rank_cases
from pixelrec.evaluation.metrics import metrics
from pixelrec.files.checkpoint import read_description
from pixelrec.numerics.device import device_of
from pixelrec.numerics.precision import emulation_line
from pixelrec.recipe.recipe import Recipe, build_batcher, build_loss, build_recommender
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.run import Run, demand_new, new_folder
from pixelrec.runs.warm_start import WarmStart, start_from
from pixelrec.training.interruption import Interruption
from pixelrec.training.journal import Journal, Silence
from pixelrec.training.loop import Metrics, Parts, fit, judge_start
from pixelrec.training.optimiser import Optimiser, OptimiserConfig
from pixelrec.training.state import Progress, load_state

SMALLER = (
    "a smaller training.batch_size, negatives.drawn, length or items.width, and for pictures items.chunk or "
    "items.keep_activations"
)


@memory_explained(f"train with {SMALLER}")
def train_recipe(
    recipe: Recipe, dataset: Dataset, out: Path | None, console: Console
) -> tuple[Run, int | None]:
    """Trains a recipe in a new run folder.

    Returns:
        The run, and the signal that interrupted it, if one did.
    """
    accelerator = _accelerator(recipe)
    if out is not None and accelerator.is_main_process:
        demand_new(out)  # before networks are loaded and caches made
    start = WarmStart.of(recipe)
    parts = _parts(recipe, dataset, accelerator)
    _begin(parts, start, dataset, console)
    folder = [str(out or new_folder(recipe))]
    broadcast_object_list(folder)  # processes must not each name one by their own clock
    if accelerator.is_main_process:
        told, reads = start.told if start else None, parts.recommender.items.reads
        Run.create(Path(folder[0]), recipe, dataset, told, reads)
    accelerator.wait_for_everyone()
    run = Run.open(folder[0])
    return run, _fit(parts, run, Progress(), console)


@memory_explained(f"start anew with {SMALLER}; training.warm_start takes what this run has learnt along")
def resume_run(run: Run, dataset: Dataset, console: Console) -> int | None:
    """Goes on where a run stopped, as if it had not; the signal that interrupted it again, if one did."""
    state = load_state(run.folder / "last")
    if state is None:  # it was killed before it saved any
        parts = _parts(run.recipe, dataset, _accelerator(run.recipe))
        _begin(parts, WarmStart.again(run), dataset, console)
        return _fit(parts, run, Progress(), console)
    if state.progress.finished:
        best = state.progress.best_epoch or "the start"
        console.print(f"{run.folder} has finished: {state.progress.epoch} epochs, best {best}")
        return None
    described = read_description(state.folder).get("described")
    parts = _parts(run.recipe, dataset, _accelerator(run.recipe), described)
    accelerator = parts.accelerator
    state.restore(parts.recommender, parts.optimiser, accelerator.process_index, accelerator.num_processes)
    _prepare(parts, console)
    return _fit(parts, run, state.progress, console)


def uninterrupted(run: Run, signal: int | None) -> Run:
    """The run, if it was not interrupted; else `InterruptedError` with the signal and how to go on."""
    if signal is not None:
        raise InterruptedError(
            signal, f"stopped; go on with: pixelrec train --resume {run.folder}", str(run.folder)
        )
    return run


def _fit(parts: Parts, run: Run, progress: Progress, console: Console) -> int | None:
    journal = Journal(run.folder, progress.noted, console) if parts.leads else Silence()
    try:
        if parts.config.warm_start and progress.best is None:
            judge_start(parts, run.folder, journal, progress)
        if parts.batcher.negatives.bank and parts.recommender.bank is None:
            parts.recommender.bank = _catalogue(parts.recommender, parts.accelerator).encoded
        with Interruption() as interruption:
            fit(parts, run.folder, journal, progress, interruption)
    finally:
        journal.close()
    if parts.accelerator.num_processes > 1:  # one that leaves early takes the others' connection along
        parts.accelerator.wait_for_everyone()
        parts.accelerator.end_training()
    return None if progress.finished else interruption.signal or signal.SIGTERM


def _accelerator(recipe: Recipe) -> Accelerator:
    # Processes on a machine without an accelerator find each other only if told that they run on CPUs.
    on_cpu = device_of(recipe.training.device).type == "cpu"
    # Precision and accumulation are the recipe's, whatever a launcher has put into the environment.
    once = GradientAccumulationPlugin(num_steps=1)
    return Accelerator(cpu=on_cpu, mixed_precision="no", gradient_accumulation_plugin=once)


def _parts(
    recipe: Recipe,
    dataset: Dataset,
    accelerator: Accelerator,
    described: Mapping[str, Any] | None = None,
) -> Parts:
    """Everything that trains, made from the same seed in every process.

    described: what the item encoder told of itself when it was saved; none: it reads its sources.
    """
    histories = training_events(dataset)
    spec = dataset.spec(recipe["length"], histories)
    torch.manual_seed(recipe["seed"])
    recommender = build_recommender(recipe, spec, described).to(accelerator.device)
    process, processes = accelerator.process_index, accelerator.num_processes
    loss = build_loss(recipe)
    batcher = build_batcher(recipe, recommender, histories, process=process, processes=processes)
    if not len(batcher):
        raise DataError(
            f"{dataset.folder}: no user has events enough to train {recipe['users']['name']}: a target "
            "needs an event before it that neither validates nor tests; give longer histories"
        )
    cases = validation_cases(dataset)
    _check_monitor(recipe.training.monitor)
    config = OptimiserConfig(**recipe["optimiser"])
    lazy = config.touches(accelerator.device.type, processes)
    optimiser = Optimiser(recommender, config, lazy)
    # Dropout differs between processes; weights must not.
    torch.manual_seed(recipe["seed"] * processes + process)
    module = recommender if processes == 1 else accelerator.prepare_model(recommender)
    return Parts(
        recommender,
        module,
        batcher,
        loss,
        optimiser,
        lambda trained: _validate(trained, cases, accelerator, batcher.negatives.bank),
        accelerator,
        recipe.training,
    )


def _check_monitor(monitor: str) -> None:
    known = metrics(np.ones(1, np.int64))
    if monitor not in known:
        raise RecipeError(f"training.monitor is {monitor!r}; expected one of {', '.join(known)}")


def _begin(parts: Parts, start: WarmStart | None, dataset: Dataset, console: Console) -> None:
    """Weights of another run, where a recipe starts from one."""
    if start is not None:
        _say(start_from(start, parts.recommender, dataset), parts, console)
    _prepare(parts, console)


def _prepare(parts: Parts, console: Console) -> None:
    """The item encoder's checks and caches, once its weights are those it trains from."""
    if line := emulation_line(parts.config.precision, parts.accelerator.device):
        _say(f"training: {line}", parts, console)
    parts.recommender.items.prepare(partial(_say, parts=parts, console=console))
    _agree(parts.recommender, parts.accelerator)


def _say(line: str, parts: Parts, console: Console) -> None:
    if parts.leads:
        say(line, console)


def _validate(
    recommender: Recommender, cases: EvaluationCases, accelerator: Accelerator, bank: bool
) -> Metrics:
    """Metrics over all questions, each process ranking its share; the catalogue's vectors refill the bank."""
    _agree(recommender, accelerator)
    catalogue = _catalogue(recommender, accelerator)
    recommender.bank = catalogue.encoded if bank else None
    process, processes = accelerator.process_index, accelerator.num_processes
    share = EvaluationCases(
        cases.name,
        cases.users[process::processes],
        cases.targets[process::processes],
        cases.histories,
    )
    ranks = np.empty(len(cases), np.int64)
    for part, some in enumerate(gather_object([rank_cases(recommender, share, catalogue)])):
        ranks[part::processes] = some
    return metrics(ranks)


def _agree(recommender: Recommender, accelerator: Accelerator) -> None:
    """All have the same buffers: each process's batch norms have followed its own batches."""
    if accelerator.num_processes > 1:
        for buffer in recommender.buffers():
            buffer.copy_(broadcast(buffer))


def _catalogue(recommender: Recommender, accelerator: Accelerator) -> Catalogue:
    """The catalogue, each process encoding its share of what is dear."""
    processes = accelerator.num_processes
    if processes == 1 or not recommender.items.expensive:
        return recommender.catalogue()
    items = recommender.spec.items + 1
    share = -(-items // processes)  # all equally many, so that they can be gathered: some item twice
    mine = torch.arange(share) + accelerator.process_index * share
    encoded = torch.cat(list(recommender.encode(mine.clamp(max=items - 1))))
    gathered: Tensor = accelerator.gather(encoded)
    return recommender.catalogue(encoded=gathered[:items])
