"""The grid's table in the terminal: the columns that fit, in colour."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixelrec.cli.show_evaluation import COLOURS
from pixelrec.console.numbers import DASH
from pixelrec.console.terminal import first_that_fits, plain_table, printable, say
from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.grid.columns import Column, all_columns
from pixelrec.grid.outcome import Outcome
from pixelrec.grid.results import Results, Row
from pixelrec.grid.tables import audit_sentences


def print_results(results: Results, console: Console) -> None:
    """Recipes behind the best baseline are red, those ahead of it green."""
    columns = [column for column in all_columns(results) if column.keep]
    levels = sorted({column.keep for column in columns})
    tables = [_table(results, [column for column in columns if column.keep >= level]) for level in levels]
    console.print()
    console.print(first_that_fits(tables, console))
    if any(row.against for row in results.rows):
        best = results.best_baseline
        legend = f"▲ clearly ahead of {best}, the best baseline; ≈ no clear difference; ▼ clearly behind"
        say(f"\n±: half the 95 % interval over users\n{legend}", console, "dim")
    for line in audit_sentences(results):
        say(f"\n{line}", console)
    if results.long_tail_best:
        marks = f"; ▲ ≈ ▼ there: against {results.long_tail_best}, the best baseline"
        which = f"long-tail: {METRIC} on the {results.long_tail:,} users whose item has {LONG_TAIL.events}"
        say(which + (marks if results.long_tail_compares else ""), console, "dim")


def _table(results: Results, columns: list[Column]) -> Table:
    table = plain_table()
    table.add_column(f"{results.split}, %", overflow="fold")
    for column in columns:
        side = "left" if column.brief_title.startswith("vs ") else "right"
        table.add_column(column.brief_title or column.title, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for row in results.rows:
        style = "dim" if row.role == "baseline" else COLOURS[row.against.verdict] if row.against else ""
        progress = f" ({row.progress})" if row.progress else ""
        model = Text(printable(row.model), style=style).append(progress, style="dim")
        table.add_row(model, *(_cell(column, row, results) for column in columns))
    return table


def _cell(column: Column, row: Row, results: Results) -> Text:
    found = column.estimate(row)
    text = (column.brief or column.text)(found)
    if text == DASH:
        return Text("" if row.role == "baseline" else DASH, style="dim")
    best = "bold" if column.is_best(row, results.rows) else ""
    return Text(text, style=COLOURS[found.verdict] if found.verdict else best)


def print_files(found: Outcome, console: Console) -> None:
    """The paths of the tables, and recipes in the same folder that are not in them."""
    say(f"\ntable      {found.html}\n           {found.markdown}\n           {found.csv}", console)
    for key, names in found.grid.without.items():
        say(f"           {key} is no option of {', '.join(names)}, which ran without it", console)
    if unaudited := ", ".join(found.grid.unaudited):
        say(f"           nothing to audit in {unaudited}: items without pictures, features or codes", console)
    if others := found.grid.other_recipes:
        without = f"without {', '.join(others)}, whose runs are there too: name them to include them"
        say(f"           {without}", console)
