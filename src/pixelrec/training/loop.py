"""The loop: flat, one process or many, resumable at any step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn

from pixelrec.batch import Batch, Scores
from pixelrec.data.batcher import Batcher
from pixelrec.errors import DivergedError
from pixelrec.numerics.precision import Precision, is_bf16
from pixelrec.recommender import Recommender
from pixelrec.training.interruption import Interruption
from pixelrec.training.journal import AbstractJournal, Bar
from pixelrec.training.optimiser import Optimiser
from pixelrec.training.schedule import Schedule, share
from pixelrec.training.state import Progress, random_state, replaced, save_state

if TYPE_CHECKING:
    from accelerate import Accelerator

Loss = Callable[[Scores], Tensor]
Metrics = Mapping[str, float]
UNREAD = 16  # losses left on an accelerator before they are read: each reading waits for it


@dataclass(frozen=True)
class TrainingConfig:
    """What a recipe chooses about training.

    Args:
        epochs: at most.
        batch_size: windows (or pairs, or prefixes) per step and process.
        patience: epochs without a better validation metric before training stops; 0 never stops early.
        monitor: the validation metric that picks the best epoch.
        precision: `bf16` computes matrix products in bfloat16 where that is safe, `fast` does so on devices
            that multiply it themselves; scores and ranks stay fp32.
        accumulate: batches whose gradients are summed into one step.
        clip: the largest joint norm of all gradients; 0 clips nothing.
        schedule: how the learning rate goes on after the warm-up.
        warmup: steps over which the learning rate rises.
        loader_threads: batches are built ahead on so many threads; 0 builds them in between steps.
        device: `auto` takes an accelerator where there is one.
        start: a run whose best weights training starts from, where they fit, and which are this run's best
            until an epoch is better; `{seed}` in it is the seed.
    """

    epochs: int = 200
    batch_size: int = 128
    patience: int = 20
    monitor: str = "NDCG@10"
    precision: Precision = "fp32"
    accumulate: int = 1
    clip: float = 0.0
    schedule: Schedule = "constant"
    warmup: int = 0
    loader_threads: int = 1
    device: Literal["auto", "cpu"] = "auto"
    warm_start: str | None = None


@dataclass(frozen=True)
class Parts:
    """All that takes part in training. `validate` is called after every epoch, in every process."""

    recommender: Recommender
    module: nn.Module  # the recommender, as Accelerate wraps it
    batcher: Batcher
    loss: Loss
    optimiser: Optimiser
    validate: Callable[[Recommender], Metrics]
    accelerator: Accelerator
    config: TrainingConfig

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.accelerator.is_main_process


def fit(
    parts: Parts, run: Path, journal: AbstractJournal, progress: Progress, interruption: Interruption
) -> Progress:
    """Trains from `progress` on until the epochs are done, nothing gets better, or somebody interrupts.

    Raises:
        DivergedError: a loss is not finite; `best` is kept as it was.
    """
    while not progress.finished:
        if not train_epoch(parts, run, journal, progress, interruption):
            break
        end_epoch(parts, run, journal, progress)
        if stopping(parts, interruption):
            break
    return progress


def stopping(parts: Parts, interruption: Interruption) -> bool:
    """Whether somebody interrupted one of the processes: all of them stop at the same step or none."""
    if parts.accelerator.num_processes == 1:
        return interruption.requested
    if interruption.requested:
        parts.accelerator.set_trigger()
    return bool(parts.accelerator.check_trigger())


def train_epoch(
    parts: Parts, run: Path, journal: AbstractJournal, progress: Progress, interruption: Interruption
) -> bool:
    """One epoch from batch `progress.batch` on. Interrupted, it saves the state after the step under way.

    Returns:
        Whether the epoch is whole.
    """
    parts.module.train()
    epoch, total = progress.epoch, len(parts.batcher)
    title = f"epoch {epoch + 1}/{parts.config.epochs}"
    with Bar(journal.console, title, total, progress.batch) as bar:
        started, before = perf_counter(), progress.seconds
        unread: list[tuple[int, Tensor]] = []
        for batch in parts.batcher.epoch(epoch, progress.batch):
            batch = batch.to(parts.accelerator.device, non_blocking=True)
            windows = len(batch.target)
            unread.append((windows, train_batch(parts, batch, progress.batch)))
            progress.batch += 1
            if len(unread) >= (1 if parts.accelerator.device.type == "cpu" else UNREAD):
                _read_losses(unread, progress)
            bar.advance(progress.loss / progress.windows if progress.windows else None, windows)
            if progress.batch < total and at_step(parts, progress.batch) and stopping(parts, interruption):
                _read_losses(unread, progress)
                progress.seconds = before + perf_counter() - started
                save(parts, run, progress)
                return False
        _read_losses(unread, progress)
        progress.seconds = before + perf_counter() - started
    return True


def train_batch(parts: Parts, batch: Batch, number: int) -> Tensor:
    """Gradients of batch `number` of the epoch, and a step where enough have been summed; the loss."""
    device = parts.accelerator.device
    with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16(parts.config.precision, device)):
        scores: Scores = parts.module(batch)
    loss = parts.loss(scores)
    parts.accelerator.backward(loss / summed(parts, number))
    if at_step(parts, number + 1):
        if parts.config.clip:
            parts.optimiser.clip(parts.config.clip)
        parts.optimiser.step(rate_share(parts, parts.optimiser.steps))
    return loss.detach()


def summed(parts: Parts, number: int) -> int:
    """How many batches the step sums that batch `number` of the epoch is part of; the last may have fewer."""
    most = parts.config.accumulate
    return min(most, len(parts.batcher) - number // most * most)


def at_step(parts: Parts, batches: int) -> bool:
    """Whether a step follows `batches` of an epoch."""
    return batches % parts.config.accumulate == 0 or batches == len(parts.batcher)


def rate_share(parts: Parts, step: int) -> float:
    """The share of the peak learning rate at `step`."""
    config = parts.config
    steps = config.epochs * math.ceil(len(parts.batcher) / config.accumulate)
    return share(step, steps, config.warmup, config.schedule)


def _read_losses(unread: list[tuple[int, Tensor]], progress: Progress) -> None:
    """Adds losses to `progress`, and refuses those that are no numbers."""
    for back, (windows, loss) in enumerate(unread):
        value = float(loss)
        if not math.isfinite(value):
            number = progress.batch - len(unread) + back + 1
            raise DivergedError(
                f"the loss is {value} at epoch {progress.epoch + 1}, step {number}: training cannot go on; "
                f"{_kept(progress)}. Lower optimiser.learning_rate, set training.clip "
                "(1.0, say), or use training.precision fp32"
            )
        progress.loss += value * windows
        progress.windows += windows
    unread.clear()


def _kept(progress: Progress) -> str:
    if progress.best is None:
        return "no epoch has ended, so there is no checkpoint"
    return f"the best checkpoint so far, of epoch {progress.best_epoch}, is kept"


def judge_start(parts: Parts, run: Path, journal: AbstractJournal, progress: Progress) -> None:
    """Weights that others have trained are epoch 0: `best` until an epoch is better, and `last`."""
    metrics = parts.validate(parts.recommender)
    monitor, value = parts.config.monitor, metrics[parts.config.monitor]
    progress.best, progress.best_epoch = value, 0
    if parts.leads:
        keep_best(parts, run)
        journal.write({"epoch": 0, "seconds": 0.0, **metrics})
        journal.say(f"start      {monitor} {100 * value:.2f} % before the first step")
    save(parts, run, progress)


def end_epoch(parts: Parts, run: Path, journal: AbstractJournal, progress: Progress) -> None:
    """Validates, notes, and saves: `best` where this epoch is, `last` always."""
    config = parts.config
    parts.optimiser.catch_up()
    metrics = parts.validate(parts.recommender)
    row = _row(parts, progress, metrics)
    progress.epoch += 1
    better = progress.best is None or metrics[config.monitor] > progress.best
    if better:
        progress.best, progress.best_epoch = metrics[config.monitor], progress.epoch
    progress.batch, progress.loss, progress.windows, progress.seconds = 0, 0.0, 0, 0.0
    stale = bool(config.patience) and progress.stale >= config.patience
    progress.finished = progress.epoch >= config.epochs or stale
    if parts.leads:
        if better:
            keep_best(parts, run)
        journal.write(row)
        journal.say(_line(parts, row, better))
        if progress.finished and progress.best_epoch == 0:
            journal.say("the start is still the best: training did not improve on it")
    save(parts, run, progress)


def keep_best(parts: Parts, run: Path) -> None:
    """Replaces `best` by the present weights."""
    with replaced(run / "best") as folder:
        parts.recommender.save(folder)


def save(parts: Parts, run: Path, progress: Progress) -> None:
    """Replaces `last` by the present state."""
    random = gather_object([random_state()])
    if parts.leads:
        save_state(run / "last", parts.recommender, parts.optimiser, progress, random)
    parts.accelerator.wait_for_everyone()


def _row(parts: Parts, progress: Progress, metrics: Metrics) -> dict[str, float]:
    seconds = round(progress.seconds, 3)
    windows = progress.windows * parts.accelerator.num_processes
    return {
        "epoch": progress.epoch + 1,
        "loss": progress.loss / max(progress.windows, 1),
        "learning_rate_share": rate_share(parts, parts.optimiser.steps - 1),
        "seconds": seconds,
        "windows_per_second": round(windows / max(seconds, 1e-3), 1),
        **metrics,
    }


def _line(parts: Parts, row: Mapping[str, float], better: bool) -> str:
    monitor = parts.config.monitor
    return (
        f"epoch {row['epoch']:>3}  loss {row['loss']:.4f}  {monitor} {100 * row[monitor]:.2f} %"
        f"  {row['windows_per_second']:,.0f} windows/s  {row['seconds']:.1f} s{'  best' if better else ''}"
    )
