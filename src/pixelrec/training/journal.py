"""What a run says while it trains: a line of JSON per epoch, TensorBoard, and a progress bar."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pixelrec.console.terminal import say


class AbstractJournal(ABC):
    """Where the loop reports to."""

    console: Console

    @abstractmethod
    def write(self, row: Mapping[str, Any]) -> None:
        """One epoch's facts."""

    @abstractmethod
    def close(self) -> None: ...

    def say(self, line: str) -> None:
        say(line, self.console)


@final
class Silence(AbstractJournal):
    """The journal of a process that leaves writing to the leading one."""

    def __init__(self) -> None:
        self.console = Console(quiet=True)

    def write(self, row: Mapping[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass


@final
class Journal(AbstractJournal):
    """Writes `metrics.jsonl` and TensorBoard events into a run folder, and tells the terminal.

    Args:
        run: the run folder.
        noted: the last epoch whose line stands; later ones of an earlier attempt are dropped, as those epochs
            are trained again.
        console: where lines and the bar are drawn.
    """

    def __init__(self, run: Path, noted: int, console: Console) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path, self.console = run / "metrics.jsonl", console
        self._keep(noted)
        self.board = SummaryWriter(run / "tensorboard", purge_step=noted + 1)

    def _keep(self, noted: int) -> None:
        rows = [row for row in read_journal(self.path) if row["epoch"] <= noted]
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        partial.replace(self.path)

    def write(self, row: Mapping[str, Any]) -> None:
        """One epoch's facts; numbers go to TensorBoard too."""
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


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; a last line that was cut short by a crash is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


@final
class Bar:
    """Loss, windows per second and time left of one epoch; drawn only where there is a terminal."""

    def __init__(self, console: Console, title: str, batches: int, done: int) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID = self.progress.add_task(title, total=batches, completed=done, told="")
        self.started, self.windows = perf_counter(), 0

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def advance(self, loss: float | None, windows: int) -> None:
        """A batch is done; `loss` is the mean so far, or none where no loss was read yet."""
        self.windows += windows
        rate = self.windows / max(perf_counter() - self.started, 1e-9)
        told = "" if loss is None else f"loss {loss:.4f}  "
        self.progress.update(self.task, advance=1, told=f"{told}{rate:,.0f} windows/s")
