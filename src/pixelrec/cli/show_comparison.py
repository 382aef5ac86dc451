"""The comparison of two runs in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelrec.cli.show_evaluation import COLOURS, MEDIAN, metric_table, too_few_cases
from pixelrec.console.numbers import DASH, percent, short, signed
from pixelrec.console.terminal import first_that_fits, say
from pixelrec.evaluation.comparison import METRIC
from pixelrec.runs.compare import RunComparison

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LETTERS = ("A", "B")  # head the columns, as names with folders in them are long


def print_comparison(found: RunComparison, console: Console) -> None:
    for letter, result, folder in zip(LETTERS, found.results, found.folders, strict=True):
        say(f"{letter}  {result.model}  {folder}", console)
    console.print()
    console.print(first_that_fits([_table(found, intervals=True), _table(found, intervals=False)], console))
    console.print()
    for pair in found.verdicts:
        say(pair.sentence(*found.names), console, f"bold {COLOURS[pair.verdict]}")
    for part in found.parts:
        if not part.differences:
            say(too_few_cases(part.where, found.split), console, "dim")
    if note := found.results[0].repeats_note:
        say(note, console, "yellow")


def _table(found: RunComparison, *, intervals: bool) -> Table:
    heads = [*LETTERS, f"{LETTERS[0]} − {LETTERS[1]}", *(["95 % interval"] if intervals else [])]
    table = metric_table(f"{found.split}, %", heads)
    for part in found.parts:
        if table.rows:
            table.add_row()
        where = part.where.replace(" with ", " with\n").replace(" (n", "\n(n")
        table.add_row(where or f"all {part.cases:,} events")
        for name in part.first:
            pair = part.differences.get(name)
            difference = signed(pair.difference) if pair else DASH
            interval = f"{signed(pair.low)} to {signed(pair.high)}" if pair else DASH
            cells = [percent(part.first[name]), percent(part.second[name]), difference, interval]
            colour = COLOURS[pair.verdict] if pair else ""
            style = f"bold {colour}".strip() if name == METRIC else None  # the verdict is about it
            table.add_row(f"  {name}", *cells[: 4 if intervals else 3], style=style)
        table.add_row(f"  {MEDIAN}", *map(short, part.median_ranks))
    return table
