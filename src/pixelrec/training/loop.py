"""The training loop: flat, one process or several, resumable at any step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor, nn

from pixelrec.console.numbers import percent
from pixelrec.console.progress import activity
from pixelrec.console.terminal import say
from pixelrec.data.batcher import AbstractBatcher
from pixelrec.errors import DivergedError, RunError
from pixelrec.files.atomic import new_folder
from pixelrec.numerics.precision import is_bf16
from pixelrec.recommender import Recommender
from pixelrec.training.config import EPOCH, Schedule, TrainingConfig
from pixelrec.training.epoch_lines import TRAINING, Words, announcement, epoch_line, summary
from pixelrec.training.interruption import Interruption
from pixelrec.training.journal import EpochBar, Journal, cost_of
from pixelrec.training.optimiser import Optimiser
from pixelrec.training.processes import Processes
from pixelrec.training.state import Progress, State, random_state, resumable, save_state
from pixelrec.training.watch import GO_ON, STOP, Watch

Loss = Callable[[Any], Tensor]
"""Of the scores of a batch, or what else the trained module returns."""
FirstLoss = Callable[[Any, float], "str | None"]
"""A batch and its loss → a warning, if that is far from chance."""
READ_EVERY = 16  # losses left on an accelerator before they are read, because each reading waits for it


@dataclass(frozen=True)
class Validation:
    metrics: Mapping[str, float]
    seconds: float
    encoding_seconds: float  # of them, for the items
    warning: str | None = None  # said at the first and the last one


@dataclass(frozen=True)
class Parts:
    """All that takes part in training. `validate` is called after every epoch, in every process."""

    recommender: Recommender
    saved: Recommender  # by checkpoints; the same one, unless that is trained over stored item vectors
    module: nn.Module  # what is called, wrapped so that processes average their gradients
    batcher: AbstractBatcher[Any]
    loss: Loss
    optimiser: Optimiser
    validate: Callable[[Recommender], Validation]
    processes: Processes
    config: TrainingConfig
    bank: bool = False  # whether batches have negatives from the bank of the recommender
    first_loss: FirstLoss = lambda *_: None
    words: Words = TRAINING
    probe: int = 0  # epochs after which training ends unless one was better than the start; 0: goes on
    stop: int | None = None  # epochs after which training ends, before its schedule does

    @property
    def epochs(self) -> int:
        """The largest number of epochs."""
        return self.config.epochs if self.stop is None else min(self.stop, self.config.epochs)


def demand_position(parts: Parts, state: State) -> None:
    """Raises `RunError` if a saved position is none of this training."""
    progress, batches, size = state.progress, len(parts.batcher), parts.config.accumulate
    steps = progress.epoch * math.ceil(batches / size) + math.ceil(progress.batch / size)
    if progress.batch > batches or state.steps != steps or progress.best_epoch > progress.epoch:
        raise RunError(
            f"{state.folder / 'progress.json'}: step {state.steps:,} is not batch {progress.batch:,} of "
            f"{batches:,} after {progress.epoch:,} epochs; its recipe or data was changed: train again"
        )


def fit(
    parts: Parts, run: Path, journal: Journal | None, progress: Progress, interruption: Interruption
) -> None:
    """Trains from `progress` until the epochs are done, no epoch is better any more, or a signal comes.

    A loss that is not finite raises `DivergedError`; `best` is kept as it was.
    """
    watch = Watch(parts.processes, parts.config.save_minutes, interruption)
    # Several processes validate together: one of them cannot leave.
    skippable = interruption.at_once if parts.processes.count == 1 else nullcontext
    if journal is not None and not progress.finished:
        config = replace(parts.config, epochs=parts.epochs)
        say(announcement(parts.words, config, parts.batcher.rows), journal.console)
    while not progress.finished:
        if not train_epoch(parts, run, journal, progress, watch):
            break
        parts.optimiser.catch_up()
        try:
            with skippable(), activity(f"validating epoch {progress.epoch + 1}", journal and journal.console):
                validation = parts.validate(parts.recommender)
        except KeyboardInterrupt:
            save(parts, run, progress)  # the epoch as trained; resuming validates it
            break
        end_epoch(parts, run, journal, progress, validation)
        watch.saved()
        if watch.now() == STOP:
            break


def train_epoch(parts: Parts, run: Path, journal: Journal | None, progress: Progress, watch: Watch) -> bool:
    """Trains one epoch from batch `progress.batch` on, and saves as `watch` decides; false if stopped."""
    parts.module.train()
    device, total = parts.processes.device, len(parts.batcher)
    started, cpu_started = perf_counter() - progress.seconds, process_time() - progress.cpu_seconds
    unread: list[tuple[int, Tensor]] = []
    with EpochBar(journal and journal.console, parts.words, progress, parts.epochs, total) as bar:
        for batch in parts.batcher.epoch(progress.epoch, progress.batch):
            batch = batch.to(device, non_blocking=True)
            loss = train_batch(parts, batch, progress.batch)
            if progress.epoch == progress.batch == 0:
                _compare_with_chance(parts, batch, loss, journal)
            unread.append((batch.size, loss))
            progress.batch += 1
            if len(unread) >= (1 if device.type == "cpu" else READ_EVERY):
                _read_losses(unread, progress)
            bar.advance(progress.mean_loss, batch.size)
            if progress.batch == total or not is_step(parts, progress.batch):
                continue
            if (action := watch.after_step()) != GO_ON:
                _read_losses(unread, progress)
                progress.seconds = perf_counter() - started
                progress.cpu_seconds = process_time() - cpu_started
                save(parts, run, progress)
                watch.saved()
                if action == STOP:
                    return False
    _read_losses(unread, progress)
    progress.seconds = perf_counter() - started
    progress.cpu_seconds = process_time() - cpu_started
    return True


def _compare_with_chance(parts: Parts, batch: Any, loss: Tensor, journal: Journal | None) -> None:
    warning = parts.first_loss(batch, float(loss))
    if warning is not None and journal is not None:
        say(warning, journal.console)


def train_batch(parts: Parts, batch: Any, number: int) -> Tensor:
    """Adds the gradients of batch `number` of the epoch, and steps once enough are summed; the loss."""
    device, ends = parts.processes.device, is_step(parts, number + 1)
    with nullcontext() if ends else parts.processes.without_averaging(parts.module):
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16(parts.config.precision, device)):
            scores = parts.module(batch)
        loss = parts.loss(scores)
        most = parts.config.accumulate  # the last step of an epoch may sum fewer batches
        (loss / min(most, len(parts.batcher) - number // most * most)).backward()
    if ends:
        if parts.config.clip:
            parts.optimiser.clip(parts.config.clip)
        parts.optimiser.step(lr_factor_at(parts, parts.optimiser.steps))
    return loss.detach()


def is_step(parts: Parts, batches: int) -> bool:
    """Whether a step follows after `batches` of an epoch."""
    return batches % parts.config.accumulate == 0 or batches == len(parts.batcher)


def lr_factor(step: int, steps: int, warmup: int, schedule: Schedule) -> float:
    """The factor of the peak rate at `step` (0, 1, …) of `steps`, after `warmup` steps of linear rise.

    `cosine` and `linear` fall to 0 at the last step; `constant` stays.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    passed = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 1.0 - passed if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * passed))


def lr_factor_at(parts: Parts, step: int) -> float:
    config = parts.config
    steps = config.epochs * math.ceil(len(parts.batcher) / config.accumulate)
    return lr_factor(step, steps, config.warmup, config.schedule)


def _read_losses(unread: list[tuple[int, Tensor]], progress: Progress) -> None:
    """Adds losses to `progress`; refuses those that are not finite."""
    for position, (windows, loss) in enumerate(unread):
        value = float(loss)
        if not math.isfinite(value):
            number = progress.batch - len(unread) + position + 1
            saved = f"the best checkpoint so far, of epoch {progress.best_epoch}, is kept"
            if progress.best is None:
                saved = "no epoch has ended, so there is no checkpoint"
            raise DivergedError(
                f"the loss is {value} at epoch {progress.epoch + 1}, batch {number}: training cannot "
                f"continue; {saved}. Lower optimiser.learning_rate, set training.clip (1.0, say), or use "
                "training.precision fp32"
            )
        progress.loss += value * windows
        progress.windows += windows
    unread.clear()


def validate_start(
    parts: Parts,
    run: Path,
    journal: Journal | None,
    progress: Progress,
    spent: Mapping[str, float],
    least: float,
) -> None:
    """Records the weights before the first step as epoch 0: the best until an epoch is better.

    spent: on them, in earlier stages, by the names of `cost_of`. least: of the metric that makes an epoch
    better in any case.
    """
    validation = parts.validate(parts.recommender)
    metrics = validation.metrics
    monitor = parts.config.monitor
    progress.best, progress.best_epoch = max(0.0 if monitor == EPOCH else metrics[monitor], least), 0
    progress.finished = parts.epochs == 0
    progress.add(parts.saved.items.take_work())
    cost = cost_of([{"seconds": 0.0, **progress.take_cost()}, spent])
    if journal is not None:
        save_best(parts, run)
        journal.write({"epoch": 0, **cost, **metrics})
    save(parts, run, progress)
    if journal is not None and monitor != EPOCH:
        say(f"start      {monitor} {percent(metrics[monitor])} % before the first step", journal.console)
        if validation.warning:
            say(validation.warning, journal.console)


def end_epoch(
    parts: Parts, run: Path, journal: Journal | None, progress: Progress, validation: Validation
) -> None:
    """Writes the journal, and saves: `best` if this epoch is, `last` always."""
    monitor, epoch = parts.config.monitor, progress.epoch + 1
    value = float(epoch) if monitor == EPOCH else validation.metrics[monitor]
    seconds = round(progress.seconds, 3)
    progress.add(parts.saved.items.take_work())
    windows = progress.windows * parts.processes.count
    row = {
        "epoch": epoch,
        "loss": progress.mean_loss or 0.0,
        "lr_factor": lr_factor_at(parts, parts.optimiser.steps - 1),
        "seconds": seconds,
        **progress.take_cost(),
        f"{parts.words.row}s_per_second": round(windows / max(seconds, 1e-3), 1),
        "validation_seconds": round(validation.seconds, 3),
        "encoding_seconds": round(validation.encoding_seconds, 3),
        **validation.metrics,
    }
    better = progress.best is None or value > progress.best
    progress.next_epoch(value, better)
    dead = 0 < parts.probe <= progress.epoch and progress.best_epoch == 0
    progress.finished = has_ended(parts.epochs, parts.config.patience, progress) or dead
    if journal is not None:
        if better:
            save_best(parts, run)
        journal.write(row)
    save(parts, run, progress)
    if journal is not None:  # what is said may be lost, so it comes last
        epochs = progress.epoch if progress.finished else parts.epochs
        say(epoch_line(parts.words, journal.rows, monitor, epochs, better=better), journal.console)
        if validation.warning and (progress.epoch == 1 or progress.finished):
            say(validation.warning, journal.console)
        if progress.finished:
            encodes, best = parts.recommender.items.expensive, progress.best_epoch
            say(summary(parts.words, journal.rows, monitor, best, encodes=encodes), journal.console)


def has_ended(epochs: int, patience: int, progress: Progress) -> bool:
    """Whether all epochs are done, or none has been better for too long."""
    return progress.epoch >= epochs or 0 < patience <= progress.epoch - progress.best_epoch


def save_best(parts: Parts, run: Path) -> None:
    """Replaces `best` by the present weights."""
    best = run / "best"
    with new_folder(best, RunError, remedy=resumable(best)) as folder:
        parts.saved.save(folder)


def save(parts: Parts, run: Path, progress: Progress) -> None:
    """Replaces `last` by the present state."""
    random = parts.processes.gather_objects(random_state())
    progress.add(parts.saved.items.take_work())
    if parts.processes.leads:
        save_state(run / "last", parts.saved, parts.optimiser, progress, random)
    parts.processes.wait()
