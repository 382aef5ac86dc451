"""The table in the terminal: what fits there, in colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixelrec.cli.show_evaluation import COLOURS
from pixelrec.console.numbers import DASH, percent, signed
from pixelrec.console.terminal import first_that_fits, plain_table, say
from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.grid.columns import Column, cost, few, quality
from pixelrec.grid.outcome import Outcome
from pixelrec.grid.results import Results, Row

SIGNS = {"ahead": "▲", "level": "≈", "behind": "▼"}
COSTS = ("s/epoch", "min/run", "memory")


def draw(results: Results, console: Console) -> None:
    """Recipes behind a baseline are red, those ahead of all green."""
    rare = few(results)
    console.print()
    console.print(first_that_fits([_table(results, layout) for layout in LAYOUTS], console))
    if any(row.against for row in results.rows):
        say(
            f"\n± and vs: 95 % over users. ▲ clearly ahead of {results.rival}, the best baseline; "
            "≈ no clear difference; ▼ clearly behind",
            console,
            "dim",
        )
    if rare:
        say(_about_few(results), console, "dim")


@final
@dataclass(frozen=True)
class _Layout:
    """What a table tells beside the metric that models are compared by."""

    recall: bool = True
    intervals: bool = True  # of all metrics; without, of that one only
    rare: bool = True
    costs: Sequence[str] = COSTS


# From the richest on: names and the metric that models are compared by are in all.
LAYOUTS = (
    _Layout(),
    _Layout(intervals=False),
    _Layout(intervals=False, costs=("s/epoch", "memory")),
    _Layout(intervals=False, costs=("s/epoch",)),
    _Layout(intervals=False, costs=()),
    _Layout(recall=False, costs=()),
    _Layout(recall=False, rare=False, costs=()),
)


def _table(results: Results, layout: _Layout) -> Table:
    titles = ("Recall@10", METRIC) if layout.recall else (METRIC,)
    metrics = [column for column in quality(results) if column.title in titles]
    rare = few(results)[: 1 if layout.rare else 0]
    costs = [column for column in cost(results) if column.title in layout.costs]
    table = plain_table()
    table.add_column(f"{results.split}, %", overflow="fold")
    for title in (*titles, f"vs {results.rival}", *("long-tail" for _ in rare), *(c.title for c in costs)):
        table.add_column(title, justify="left" if title.startswith("vs ") else "right", no_wrap=True)
    for row in results.rows:
        table.add_row(
            _model(row),
            *(_figure(column, row, results, short=not layout.intervals) for column in metrics),
            _against(row, results),
            *(_few(column, row, results) for column in rare),
            *(column.text(row) if row.role == "recipe" else "" for column in costs),
        )
    return table


def tell_where(found: Outcome, console: Console) -> None:
    """Where the tables lie, and what else lies there."""
    where = f"\ntable      {found.html}\n           {found.markdown}\n           {found.csv}"
    console.print(where, highlight=False, markup=False, soft_wrap=True)
    if others := found.grid.passed_over:
        told = f"without {', '.join(others)}, whose runs lie there too: name them to have them in it"
        console.print(f"           {told}", highlight=False, markup=False, soft_wrap=True)


def _about_few(results: Results) -> str:
    words = f"long-tail: {METRIC} on the {results.few:,} users whose item has {LONG_TAIL.events}"
    marks = (
        f"; its ▲ ≈ ▼: beside {results.few_rival}, the best baseline there" if results.few_compares else ""
    )
    return words + marks


def _few(column: Column, row: Row, results: Results) -> Text:
    """The mean on long-tail items, and how it stands beside the best baseline there."""
    bold = "bold" if column.value(row) == column.top(results.rows) else ""
    found = row.few.against
    sign = Text(f" {SIGNS[found.verdict]}", style=COLOURS[found.verdict]) if found else Text("  ")
    return Text(percent(column.value(row)), style=bold).append_text(sign)


def _model(row: Row) -> Text:
    name = Text(row.model, style="dim" if row.role == "baseline" else _style(row))
    return name.append(f" ({row.progress})", style="dim") if row.progress else name


def _figure(column: Column, row: Row, results: Results, *, short: bool) -> Text:
    """Only the metric that models are compared by has its interval where there is little room."""
    text = percent(column.value(row)) if short and column.title != METRIC else column.text(row)
    return Text(text, style="bold" if column.value(row) == column.top(results.rows) else "")


def _against(row: Row, results: Results) -> Text:
    if row.against is None:
        is_rival = row.role == "baseline" and row.model == results.rival
        return Text("  best" if is_rival else f"  {DASH}" if row.role == "recipe" else "", style="dim")
    found = row.against.interval
    half = f"± {percent(found.high - found.difference)}"
    return Text(f"{SIGNS[found.verdict]} {signed(found.difference)} {half}", style=_style(row))


def _style(row: Row) -> str:
    return "" if row.against is None else COLOURS[row.against.verdict]
