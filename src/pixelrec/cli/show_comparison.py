"""Two runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelrec.cli.show_evaluation import COLOURS, too_few
from pixelrec.console.numbers import DASH, percent, signed
from pixelrec.console.terminal import first_that_fits, plain_table, say
from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.significance import Interval
from pixelrec.runs.compare import ComparedPart, RunComparison

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LETTERS = ("A", "B")  # heads of the columns, as names with folders are long


def print_comparison(found: RunComparison, console: Console) -> None:
    """The names of the runs, their metrics with the differences, and the verdict in a sentence."""
    for letter, result, folder in zip(LETTERS, found.results, found.folders, strict=True):
        say(f"{letter}  {result.model}  {folder}", console)
    console.print()
    console.print(first_that_fits([_table(found, intervals=True), _table(found, intervals=False)], console))
    console.print()
    for pair in found.verdicts:
        say(pair.sentence(*found.names), console, f"bold {COLOURS[pair.verdict]}")
    for part in found.parts:
        if not part.differences:
            say(too_few(part.where, found.split), console, "dim")


def _table(found: RunComparison, *, intervals: bool) -> Table:
    table = plain_table()
    table.add_column(f"{found.split}, %")
    for head in (*LETTERS, f"{LETTERS[0]} − {LETTERS[1]}", *(["95 % interval"] if intervals else [])):
        table.add_column(head, justify="right", no_wrap=True)
    for number, part in enumerate(found.parts):
        if number:
            table.add_row()
        _add_part(table, part, intervals=intervals)
    return table


def _add_part(table: Table, part: ComparedPart, *, intervals: bool) -> None:
    table.add_row(
        part.where.replace(" with ", " with\n").replace(" (n", "\n(n") or f"all {part.cases:,} events"
    )
    for name in part.first:
        apart = part.differences.get(name)
        cells = [percent(values[name]) for values in (part.first, part.second)]
        cells += [signed(apart.difference) if apart else DASH, *([_interval(apart)] if intervals else [])]
        table.add_row(f"  {name}", *cells, style=_style(name, apart))


def _interval(apart: Interval | None) -> str:
    return f"{signed(apart.low)} to {signed(apart.high)}" if apart else DASH


def _style(metric: str, apart: Interval | None) -> str | None:
    """Only the metric of the verdict is marked."""
    if metric != METRIC:
        return None
    return f"bold {COLOURS[apart.verdict]}" if apart else "bold"
