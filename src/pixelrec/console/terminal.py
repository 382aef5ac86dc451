"""What is shown in a terminal: whole columns of tables and whole words of sentences, however narrow it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def plain_table() -> Table:
    """An empty table without lines."""
    from rich.table import Table

    return Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)


def fitting(tables: Sequence[Table], console: Console) -> Table:
    """The first of these that the console has room for, else the last: so they go from the richest on."""
    unbounded = console.options.update(width=10_000)
    fits = (table for table in tables if table.__rich_measure__(console, unbounded).maximum <= console.width)
    return next(fits, tables[-1])


def say(text: str, console: Console, style: str | None = None) -> None:
    """A sentence, broken between words where somebody looks at it; in a file or a pipe it stays one line."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=not console.is_terminal)
