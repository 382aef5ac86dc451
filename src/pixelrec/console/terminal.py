"""Tables and sentences for a terminal: no cut column, no cut word, and no control character from data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO, TextIOBase
from typing import IO, TYPE_CHECKING, Any, Self, TextIO, cast, final

from rich.console import Console
from rich.segment import Segment

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.table import Table

# C0, DEL and C1; separators of lines and paragraphs; marks, embeddings and isolates that reorder text; what
# takes no place: two ids must not look the same. (Joiners take none either, but Persian and Hindi need them.)
_CONTROLS = (
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *(0xAD, 0x180E, 0x200B, 0xFEFF),
    *range(0xE0000, 0xE0080),
)
_ESCAPED = {code: f"\\x{code:02x}" if code < 0x100 else repr(chr(code))[1:-1] for code in _CONTROLS}
_ESCAPED_IN_LINES = {code: text for code, text in _ESCAPED.items() if chr(code) not in "\n\t"}


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with control characters escaped, which a terminal would obey; `lines` leaves \\n and \\t."""
    return text.translate(_ESCAPED_IN_LINES if lines else _ESCAPED)


@final
class Output(TextIOBase):
    """A stream that outlives its reader: after a failed write, what follows is discarded.

    Work must not end because nobody reads about it: a pipe that breaks, a terminal that is lost, a full disk.
    """

    def __init__(self, stream: TextIO | None, on_write: Callable[[], object] = lambda: None) -> None:
        """stream: none if the process was started without it. on_write: called before each write."""
        stream = getattr(stream, "rich_proxied_file", stream)  # under a spinner, rich stands in for it
        self._stream: TextIO = StringIO() if stream is None else stream
        self.failure: OSError | None = None
        self._on_write = on_write

    def write(self, text: str) -> int:
        self._on_write()
        with self._guarded():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._guarded():
            self._stream.flush()

    def isatty(self) -> bool:
        return self.failure is None and self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error
            with suppress(OSError):  # else Python complains at exit about what is still in its buffer
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@final
class Screen(Console):
    """A console that escapes the control characters of all text; its own colours are not text."""

    @classmethod
    def on(cls, output: Output, *, quiet: bool = False) -> Self:
        """For sentences that are taken literally and, but on a terminal, not wrapped."""
        file = cast(IO[str], output)
        given = {name: text for name, text in os.environ.items() if name != "COLUMNS" or text.strip("0")}
        return cls(file=file, soft_wrap=True, markup=False, emoji=False, quiet=quiet, _environ=given)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments with printable text. A table measures its cells before: give it `printable` ones."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text, lines=True), style, control)


def plain_table(*heads: str) -> Table:
    """An empty table without lines."""
    from rich.table import Table

    return Table(*heads, box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)


def first_that_fits(tables: Sequence[Table], console: Console) -> Table:
    """The first table that is no wider than the console, else the last; give the widest first."""
    unbounded = console.options.update(width=10_000)
    fits = (table for table in tables if table.__rich_measure__(console, unbounded).maximum <= console.width)
    return next(fits, tables[-1])


def warn(text: str, console: Console | None) -> None:
    """A line on the standard error, which a pipe does not take; nothing without a console."""
    if console is not None and not console.quiet:
        say(f"pixelrec: {text}", Screen(stderr=True))


def say(text: Any, console: Console, style: str | None = None) -> None:
    """Prints a sentence, wrapped between words on a terminal; in a file or a pipe it stays one line."""
    soft = not console.is_terminal
    console.print(text, style=style, highlight=False, markup=False, emoji=False, soft_wrap=soft)
