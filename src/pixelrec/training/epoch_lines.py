"""What training says: what it is going to do, a line per epoch, and a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, final

from pixelrec.console.numbers import duration, percent, plural
from pixelrec.training.config import EPOCH, TrainingConfig

RECENT = 5  # epochs that the time left is estimated from


@final
@dataclass(frozen=True)
class Words:
    """The nouns of a kind of training."""

    stage: str
    epoch: str
    row: str  # of an epoch
    rows: str  # the same with its explanation, in the plural
    cases: str  # that the monitored metric is of


TRAINING = Words("training", "epoch", "window", "windows, parts of histories", "validation")


def announcement(words: Words, config: TrainingConfig, rows: int) -> str:
    """What is going to be trained, and what the lines of epochs show."""
    patience, monitor = config.patience, config.monitor
    if monitor == EPOCH:
        return (
            f"{words.stage:<10} {plural(config.epochs, words.epoch)} of {rows:,} {words.rows}\n"
            f"           each line: training loss, time, {words.row}s/s; without {words.cases}"
        )
    stop = f"stops after {plural(patience, words.epoch)} without a better {monitor} on {words.cases}"
    lines = [
        f"{words.stage:<10} up to {plural(config.epochs, words.epoch)} of {rows:,} {words.rows}",
        *([stop] if 0 < patience < config.epochs else []),
        f"each line: training loss, {monitor} on {words.cases}, time, {words.row}s/s",
    ]
    return "\n           ".join(lines)


def epoch_line(
    words: Words, rows: Sequence[Mapping[str, Any]], monitor: str, epochs: int, *, better: bool
) -> str:
    """The last row of the journal, and the time that all `epochs` would take from there."""
    row = rows[-1]
    line = f"{words.epoch:<5} {row['epoch']:>3}  loss {row['loss']:.4f}"
    line += "" if monitor == EPOCH else f"  {monitor} {percent(row[monitor])} %"
    line += f"  {row['seconds']:.1f} s  {row[f'{words.row}s_per_second']:,.0f}/s"
    if left := epochs - row["epoch"]:
        each = fmean(sum(_times(recent)) for recent in rows[-RECENT:] if recent["epoch"])
        line += f"  ≤ {duration(left * each)} left"
    return f"{line}{'  best' if better and monitor != EPOCH else ''}"


def summary(
    words: Words, rows: Sequence[Mapping[str, Any]], monitor: str, best: int, *, encodes: bool
) -> str:
    """The best epoch, and the time of training and validation.

    encodes: items are expensive to encode, which is a part of validation.
    """
    training, validation = (sum(times) for times in zip(*map(_times, rows), strict=True))
    if monitor == EPOCH:
        return f"time       {duration(training)}"
    values = {row["epoch"]: row[monitor] for row in rows}
    value = f": {monitor} {percent(values[best])} % on {words.cases}" if best in values else ""
    of_it = f" ({duration(sum(row.get('encoding_seconds', 0) for row in rows))} of it encoding items)"
    which = (
        f"{words.epoch} {best} of {rows[-1]['epoch']}"
        if best
        else "the start: training did not improve on it"
    )
    return (
        f"best       {which}{value}\n"
        f"time       {duration(training + validation)}: training {duration(training)}, validation "
        f"{duration(validation)}{of_it if encodes else ''}"
    )


def _times(row: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds of training and of validation."""
    return row["seconds"], row.get("validation_seconds", 0.0)
