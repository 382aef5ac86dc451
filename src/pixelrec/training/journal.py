"""The record of a training: a line of JSON per epoch, TensorBoard, and lines on the console."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Self, final

from rich.console import Console

from pixelrec.console.progress import ProgressLine
from pixelrec.errors import RunError
from pixelrec.files.atomic import write_text
from pixelrec.training.epoch_lines import Words
from pixelrec.training.state import Progress

JOURNAL = "metrics.jsonl"
COST = ("seconds", "cpu_seconds", "encodes", "trained_encodes")
_MEND = "put the file back as it was, or delete it to go on without a record of the epochs so far"


@final
class Journal:
    """Writes `metrics.jsonl` and TensorBoard events into a run folder.

    Lines of epochs after `last` are dropped: those epochs are trained again.
    """

    def __init__(self, run: Path, last: int, monitor: str, console: Console) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path, self.console = run / JOURNAL, console
        self.rows = rows_until(self.path, last, monitor)
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in self.rows), RunError)
        self.board = SummaryWriter(run / "tensorboard", purge_step=last + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Records one epoch, its numbers in TensorBoard too."""
        self.rows.append(dict(row))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        for name, value in row.items():
            if isinstance(value, int | float) and name != "epoch":
                self.board.add_scalar(name, value, row["epoch"])
        self.board.flush()

    def close(self) -> None:
        self.board.close()


def read_journal(path: Path, monitor: str) -> list[dict[str, Any]]:
    """A row for each epoch of a `metrics.jsonl`, in order; none if there is no such file.

    A last line that a crash cut short is left out; its epoch was not saved either.

    Raises:
        RunError: it cannot be read, or a row lacks its epoch, seconds or the monitored metric.
    """
    try:
        *lines, _ = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"{path}: cannot be read: {reason}") from None
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        row = _row(line, ("seconds", monitor))
        if row is None or (rows and row["epoch"] != rows[-1]["epoch"] + 1):
            raise RunError(f"{path}, line {number}: expected the numbers of one epoch more; {_MEND}")
        rows.append(row)
    return rows


def cost_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Seconds, CPU seconds and passes of pictures in all: what rows of a journal say, or lack."""
    return {name: round(sum(row.get(name, 0.0) for row in rows), 3) for name in COST}


def rows_until(path: Path, last: int, monitor: str) -> list[dict[str, Any]]:
    """The rows up to epoch `last`, or none at all; a `RunError` as in `read_journal`, or if some lack."""
    rows = [row for row in read_journal(path, monitor) if row["epoch"] <= last]
    if rows and rows[-1]["epoch"] < last:
        raise RunError(f"{path}: ends with epoch {rows[-1]['epoch']}, and epoch {last} is saved; {_MEND}")
    return rows


def _row(line: str, needed: Sequence[str]) -> dict[str, Any] | None:
    """A line of a journal; none if it is not one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(row, dict) and isinstance(row.get("epoch"), int) and row["epoch"] >= 0
    if not sound or not all(isinstance(row.get(name), int | float) for name in needed):
        return None
    return row if all(isinstance(row.get(name, 0), int | float) for name in COST) else None


@final
class EpochBar:
    """Loss, windows per second and time left of an epoch; drawn only on a terminal."""

    def __init__(
        self, console: Console | None, words: Words, progress: Progress, epochs: int, batches: int
    ) -> None:
        title, self.rows = f"{words.epoch} {progress.epoch + 1}/{epochs}", f"{words.row}s/s"
        self.line = ProgressLine(title, batches, console or Console(quiet=True), done=progress.batch)
        self.started, self.windows = perf_counter(), 0

    def __enter__(self) -> Self:
        self.line.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.line.__exit__()

    def advance(self, loss: float | None, windows: int) -> None:
        """A batch is done; `loss` is the mean so far, or none before the first was read."""
        self.windows += windows
        if self.line.shown:
            rate = f"{self.windows / max(perf_counter() - self.started, 1e-9):,.0f} {self.rows}"
            self.line.advance(rate if loss is None else f"loss {loss:.4f}  {rate}")
