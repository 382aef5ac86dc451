"""Progress of long work: a line that is drawn on a terminal while it lasts; elsewhere a line each minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeAlias, final

from pixelrec.console.numbers import duration
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

_DRAW_EVERY = 0.1  # seconds: drawing must cost nothing beside the work
_PRINT_EVERY = 60.0  # seconds: a log file must not fill up
OnProgress: TypeAlias = Callable[[str], object]  # called with a line of text as work goes on
_SHOWN: ContextVar[bool] = ContextVar("shown", default=False)


def ignore(_line: str) -> None:
    """The default `OnProgress`: does nothing."""


@contextmanager
def shown_on(console: Console | None) -> Iterator[Console]:
    """Yields the console, or a quiet one; inside, `progress_line` is shown unless it is quiet.

    It need not be passed down to where the work is done: rooms that know nothing of consoles show progress.
    """
    from rich.console import Console as ConsoleClass

    found = ConsoleClass(quiet=True) if console is None else console
    if not isinstance(found, ConsoleClass):
        raise RequestError(f"console is {found!r}; expected a rich.console.Console")
    before = _SHOWN.set(not found.quiet)
    try:
        yield found
    finally:
        _SHOWN.reset(before)


@contextmanager
def activity(what: str, console: Console | None) -> Iterator[OnProgress]:
    """A spinner with a text on a terminal; elsewhere a line each minute, with the minutes passed.

    Yields what to call when the text changes. For work whose steps cannot be counted.
    """
    if console is None or console.quiet:
        yield ignore
    elif console.is_terminal:
        from rich.text import Text

        with console.status(Text(what)) as status:
            yield lambda text: status.update(Text(text))  # a text, as names are not taken for markup
    else:
        with _Reminder(what, console) as reminder:
            yield reminder.change


@final
class _Reminder:
    """Prints what is under way once a minute, from a thread of its own."""

    def __init__(self, text: str, console: Console) -> None:
        self.text, self.console, self.started = text, console, monotonic()
        self._over = Event()
        self._thread = Thread(target=self._remind, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def change(self, text: str) -> None:
        self.text = text

    def _remind(self) -> None:
        while not self._over.wait(_PRINT_EVERY):
            line = f"{self.text}  for {duration(monotonic() - self.started)}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)


@final
class ProgressLine:
    """A bar with a count, the time left, and a note; nothing if `console` is quiet.

    total, done: steps of the work, and those of them that are done already.
    """

    def __init__(self, what: str, total: int, console: Console, *, done: int = 0) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.what, self.total, self.console = what, total, console
        self.shown = bool(total) and not console.quiet
        self._every = _DRAW_EVERY if console.is_terminal else _PRINT_EVERY
        bar, count, left = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        columns = (TextColumn("{task.description}"), bar, count, TextColumn("{task.fields[note]}"), left)
        drawn = self.shown and console.is_terminal
        self.progress = Progress(*columns, console=console, transient=True, disable=not drawn)
        self.task = self.progress.add_task(what, total=total, completed=done, note="")
        self.done, self.note, self._drawn = done, "", monotonic()
        self._started, self._done_before = self._drawn, done

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def advance(self, note: str = "") -> None:
        self.done, self.note = self.done + 1, note
        if monotonic() - self._drawn >= self._every:
            self.draw()

    def draw(self) -> None:
        self._drawn = monotonic()
        self.progress.update(self.task, completed=self.done, note=self.note)
        if not self.console.is_terminal:
            each = (self._drawn - self._started) / max(self.done - self._done_before, 1)
            left = f"{duration((self.total - self.done) * each)} left"
            text = f"{self.what}  {self.done:,} of {self.total:,}  {left}  {self.note}".rstrip()
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress_line(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A `ProgressLine` on standard error, inside `shown_on`; yields what to call after every step."""
    from rich.console import Console

    with ProgressLine(what, total, Console(stderr=True, quiet=not _SHOWN.get())) as line:
        yield line.advance
