"""The record of a training: a line of JSON per epoch, TensorBoard, and lines on the console."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Self, final

from rich.console import Console

from pixelrec.console.progress import ProgressLine
from pixelrec.console.terminal import say
from pixelrec.errors import RunError
from pixelrec.files.atomic import write_text
from pixelrec.training.state import Progress


@final
class Journal:
    """Writes `metrics.jsonl` and TensorBoard events into a run folder, and lines to the console.

    Lines of epochs after `last` are dropped: those epochs are trained again.
    """

    def __init__(self, run: Path, last: int, console: Console) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path, self.console = run / "metrics.jsonl", console
        rows = [row for row in read_journal(self.path) if row["epoch"] <= last]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in rows), RunError)
        self.board = SummaryWriter(run / "tensorboard", purge_step=last + 1)

    def write(self, row: Mapping[str, Any], line: str) -> None:
        """Records one epoch, its numbers in TensorBoard too, and prints a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        for name, value in row.items():
            if isinstance(value, int | float) and name != "epoch":
                self.board.add_scalar(name, value, row["epoch"])
        self.board.flush()
        say(line, self.console)

    def close(self) -> None:
        self.board.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, without a last one that a crash cut short."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


@final
class EpochBar:
    """Loss, windows per second and time left of an epoch; drawn only on a terminal."""

    def __init__(self, console: Console | None, progress: Progress, epochs: int, batches: int) -> None:
        title = f"epoch {progress.epoch + 1}/{epochs}"
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
            rate = f"{self.windows / max(perf_counter() - self.started, 1e-9):,.0f} windows/s"
            self.line.advance(rate if loss is None else f"loss {loss:.4f}  {rate}")
