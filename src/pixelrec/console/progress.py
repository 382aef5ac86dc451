"""Progress lines: drawn on a terminal only, and gone once the work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Self, final

if TYPE_CHECKING:
    from rich.console import Console

_PAUSE = 0.1  # seconds between two updates: drawing must cost nothing beside the work


@final
class ProgressLine:
    """A bar with a count, the time left, and a note.

    Args:
        what: the work.
        total: steps of it.
        console: draws nothing unless it is a terminal.
        done: steps that are done already.
    """

    def __init__(self, what: str, total: int, console: Console, *, done: int = 0) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.shown = bool(console.is_terminal and total and not console.quiet)
        note = TextColumn("{task.fields[note]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), note)
        self.progress = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not self.shown
        )
        self.task = self.progress.add_task(what, total=total, completed=done, note="")
        self.done, self.note, self._drawn = done, "", monotonic()

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()
        self.progress.stop()

    def advance(self, note: str = "") -> None:
        """One more step is done."""
        self.done, self.note = self.done + 1, note
        if self.shown and monotonic() - self._drawn >= _PAUSE:
            self._draw()

    def _draw(self) -> None:
        self._drawn = monotonic()
        self.progress.update(self.task, completed=self.done, note=self.note)


@contextmanager
def progress_line(what: str, total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """A `ProgressLine` on standard error, not drawn unless `shown`; yields its `advance`."""
    from rich.console import Console

    with ProgressLine(what, total, Console(stderr=True, quiet=not shown)) as line:
        yield line.advance
