"""Trains a recipe on a data set in a new run folder, or resumes a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pixelrec.console.terminal import say
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events, training_events
from pixelrec.errors import DataError, RecipeError, StoppedError, memory_explained
from pixelrec.evaluation.metrics import metrics
from pixelrec.files.atomic import recover, whole
from pixelrec.files.checkpoint import read_description, read_weights
from pixelrec.items.stored_vectors import StoredVectors
from pixelrec.numerics.precision import emulation_line
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender, rows_recipe
from pixelrec.recipe.recipe import Recipe
from pixelrec.recommender import Recommender
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.final import Final, unvalidated
from pixelrec.runs.fitted import FIT, SETTLE, fit_stages, over_stored_vectors, rows_of, table_folders
from pixelrec.runs.new_run import create_run, new_folder
from pixelrec.runs.place import claimed, training_lock
from pixelrec.runs.prolong import is_prolonged, no_more_epochs, prolonged
from pixelrec.runs.run import Run
from pixelrec.runs.stage import run_stage
from pixelrec.runs.validate import validate
from pixelrec.runs.warm_start import WarmStart, start_from
from pixelrec.training.config import EPOCH, OptimiserConfig
from pixelrec.training.epoch_lines import TRAINING
from pixelrec.training.first_loss import chance, far_from_chance
from pixelrec.training.journal import JOURNAL, rows_until
from pixelrec.training.loop import Parts, Validation, demand_position
from pixelrec.training.optimiser import Optimiser
from pixelrec.training.processes import Processes
from pixelrec.training.state import Progress, load_state

SMALLER = (
    "a smaller training.batch_size, negatives.drawn, length or items.width, and for pictures items.chunk or "
    "items.keep_activations"
)


@memory_explained(f"train with {SMALLER}")
def train_recipe(
    recipe: Recipe, dataset: Dataset, out: Path | None, console: Console, final: Final | None = None
) -> Run:
    """Trains a recipe in a new run folder; raises `StoppedError` after a signal: it can be resumed.

    final: trains on every event, without validation.
    """
    processes = Processes.launched(recipe.training.device)
    folder = out or new_folder(recipe)
    with claimed(folder) if processes.leads else nullcontext():  # before networks are loaded and caches made
        start = WarmStart.of(recipe)
        if start and not final:
            start.run.demand_measured()  # it knows the test events
        parts = build_parts(recipe, dataset, processes, start.described if start else None, final)
        _prepare(parts, console, start, dataset)
        items, origin = parts.saved.items, start.origin if start else None
        run = processes.from_leader(
            lambda: create_run(
                folder,
                recipe,
                dataset,
                reads=items.reads,
                described=items.describe(),
                start=origin,
                final=final.entry if final else None,
            )
        )
        return _train(parts, run, Progress(), console, dataset, start)


@memory_explained(f"start again with {SMALLER}; training.warm_start takes over what this run has learnt")
def resume_run(run: Run, dataset: Dataset, console: Console, changes: Mapping[str, Any] | None = None) -> Run:
    """Continues a run to the same result as if it had not been interrupted.

    changes: as in `prolonged`. Raises `StoppedError` after another signal, and `RunError` if its state is
    damaged, or was saved by another number of processes.
    """
    processes = Processes.launched(run.recipe.training.device)
    with training_lock(run.folder) if processes.leads else nullcontext():
        for name in ("best", "last") if processes.leads else ():
            recover(run.folder / name, None)  # also where nothing is left to train, which would write them
        state = load_state(run.folder / "last")
        if changes:
            run = processes.from_leader(lambda: prolonged(run, state, changes, console))
        if state is None:  # it was killed before it saved any
            begun = whole(run.folder / FIT / "last")  # of the fit, if that has
            start = None if begun.exists() else WarmStart.of_run(run)
            described = start.described if start else None
            if begun.exists():
                described = read_description(begun).get("described")
            parts = build_parts(run.recipe, dataset, processes, described, Final.read(run.about))
            if begun.exists():
                parts.saved.load_state_dict(read_weights(begun))
            _prepare(parts, console, start, dataset)
            if begun.exists():
                parts.saved.items.take_work()  # counted already
            return _train(parts, run, Progress(), console, dataset, start)
        if state.progress.finished and not is_prolonged(run, state):
            if processes.leads:
                best = f"best {state.progress.best_epoch or 'the start'}"
                how_on = f"it {no_more_epochs(run)}" if run.is_final else best
                console.print(f"{run.folder} has finished: {state.progress.epoch} epochs, {how_on}")
            return run
        state.progress.finished = False
        rows_until(run.folder / JOURNAL, state.progress.validated, run.monitor)
        described = read_description(state.folder).get("described")
        parts = build_parts(run.recipe, dataset, processes, described, Final.read(run.about))
        demand_position(parts, state)
        state.restore(parts.saved, parts.optimiser, processes.index, processes.count)
        _prepare(parts, console, None, dataset)
        parts.saved.items.take_work()  # the first preparation is counted already
        return _train(parts, run, state.progress, console, dataset)


def _train(
    parts: Parts,
    run: Run,
    progress: Progress,
    console: Console,
    dataset: Dataset,
    start: WarmStart | None = None,
) -> Run:
    how = f"continue with: pixelrec train --resume {quote(str(run.folder))}"
    fits, spent = run.recipe.fit.passes > 0, None
    try:
        if fits:
            if progress.best is None:
                train_table = partial(_table, parts, run, dataset, console, how)
                spent = fit_stages(parts, run, dataset, console, start, how, train_table)
            assert parts.saved.bank is not None, "of the fitted encoder, or restored"
            parts.recommender.items = parts.saved.items.over(StoredVectors(parts.saved.bank))
        from_start = bool(fits or parts.config.warm_start or parts.config.epochs == 0)
        run_stage(parts, run.folder, progress, console, how, from_start=from_start, spent=spent)
    except KeyboardInterrupt as interrupt:
        raise StoppedError.by(interrupt, how) from None
    return run


def _table(parts: Parts, run: Run, dataset: Dataset, console: Console, how: str, number: int) -> Run:
    """The run of an id table, which is a run like any other, in a folder of this one."""
    folder = table_folders(run)[number]
    begun = parts.processes.from_leader(lambda: (folder / "run.json").exists())
    if parts.processes.leads:
        say(f"rows       an id table first, in {folder}", console)
    try:
        if begun:
            return resume_run(Run.open(folder), dataset, console)
        final = Final.read(run.about)
        steps = math.ceil(len(parts.batcher) / parts.config.accumulate)
        recipe = rows_recipe(run.recipe, parts.saved.items.width, steps, number)
        return train_recipe(recipe, dataset, folder, console, final.of_rows if final else None)
    except StoppedError as stopped:
        raise StoppedError(stopped.signal, how) from None


def build_parts(
    recipe: Recipe,
    dataset: Dataset,
    processes: Processes,
    described: Mapping[str, Any] | None = None,
    final: Final | None = None,
) -> Parts:
    """Everything that takes part in training, made from the same seed in every process.

    described: the saved description of the item encoder; without it, the encoder reads its sources.
    final: of a training on every event.
    """
    dataset.verify()
    histories = all_events(dataset) if final else training_events(dataset)
    spec = dataset.spec(recipe["length"], histories)
    torch.manual_seed(recipe["seed"])
    saved = build_recommender(recipe, spec, described).to(processes.device)
    recommender = over_stored_vectors(saved) if recipe.fit.passes else saved
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
    bank, training = batcher.negatives.bank, recipe.training
    if final is None:
        validation = _validation(recipe, dataset, processes, bank)
    else:
        validation = partial(unvalidated, processes=processes, bank=bank)
        training = replace(training, monitor=EPOCH, patience=0)
    config = OptimiserConfig(**recipe["optimiser"])
    if not any(parameter.requires_grad for parameter in recommender.parameters()):
        training = replace(training, epochs=0)  # a mean of fitted vectors, for example
    optimiser = Optimiser(recommender, config, config.is_lazy(processes.device.type, processes.count))
    # Dropout differs between processes; weights must not.
    torch.manual_seed(recipe["seed"] * processes.count + processes.index)
    return Parts(
        recommender,
        saved,
        processes.wrapped(recommender),
        batcher,
        loss,
        optimiser,
        validation,
        processes,
        training,
        bank,
        lambda batch, first: far_from_chance(first, chance(loss, batch, spec.items), recommender),
        SETTLE if recipe.fit.passes else TRAINING,
        stop=final.epochs if final else None,
    )


def _validation(
    recipe: Recipe, dataset: Dataset, processes: Processes, bank: bool
) -> Callable[[Recommender], Validation]:
    """The validation after an epoch; raises `RecipeError` if there is no such metric."""
    cases, known = cases_of(dataset, "validation"), metrics(np.ones(1, np.int64))
    if (monitor := recipe.training.monitor) not in known:
        raise RecipeError(f"training.monitor is {monitor!r}; expected one of {', '.join(known)}")
    return partial(validate, cases=cases, processes=processes, bank=bank)


def _prepare(parts: Parts, console: Console, start: WarmStart | None, dataset: Dataset) -> None:
    """Weights of another run, if the recipe starts from one; then the item encoder's checks and caches."""

    def on_leader(line: str) -> None:
        if parts.processes.leads:
            say(line, console)

    if start is not None:
        if start.recipe.fit.passes:
            rows_of(start, parts.saved.items.width, dataset)  # refused before anything is written
        on_leader(start_from(start, parts.saved, dataset))
    if line := emulation_line(parts.config.precision, parts.processes.device):
        on_leader(f"training: {line}")
    parts.saved.items.prepare(on_leader)
    parts.processes.share_buffers(parts.saved)
