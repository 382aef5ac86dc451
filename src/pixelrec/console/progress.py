"""A progress line on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PAUSE = 0.1  # seconds between two updates: drawing must cost nothing beside decoding


@contextmanager
def progress_line(what: str, total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Gives a function to call once for every picture done. Not drawn unless `shown` and on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done, drawn = 0, time.monotonic()

    with Progress(*columns, console=console, disable=not (shown and total and console.is_terminal)) as line:
        task = line.add_task(what, total=total)

        def advance() -> None:
            nonlocal done, drawn
            done += 1
            if (now := time.monotonic()) - drawn >= _PAUSE:
                drawn = now
                line.update(task, completed=done)

        yield advance
        line.update(task, completed=done)
