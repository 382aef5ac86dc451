"""The table in the terminal: what fits there, in colour."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.slices import FEW_EVENTS
from pixelrec.grid.columns import Column, cost, few, quality
from pixelrec.grid.results import Results, Row
from pixelrec.grid.wording import DASH, percent, signed

STYLES = {"ahead": "green", "level": "yellow", "behind": "red"}
SIGNS = {"ahead": "▲", "level": "≈", "behind": "▼"}
SHOWN = ("Recall@10", METRIC)
COSTS = ("s/epoch", "min/run", "memory")
NARROW = 100  # characters of a line below which there is no room for all


def draw(results: Results, console: Console) -> None:
    """Recipes behind a baseline are red, those ahead of all green."""
    metrics = [column for column in quality(results) if column.title in SHOWN]
    rare = few(results)
    wanted = COSTS if console.width >= NARROW else COSTS[:1] if rare else ("s/epoch", "memory")
    costs = [column for column in cost(results) if column.title in wanted]
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(f"{results.split}, %", overflow="fold")
    for title in (*SHOWN, f"vs {results.rival}", *("few-event" for _ in rare[:1]), *wanted):
        table.add_column(title, justify="left" if title.startswith("vs ") else "right", no_wrap=True)
    for row in results.rows:
        table.add_row(
            _model(row),
            *(_figure(column, row, results, short=console.width < NARROW) for column in metrics),
            _against(row, results),
            *(_few(column, row, results) for column in rare[:1]),
            *(column.text(row) if row.role == "recipe" else "" for column in costs),
        )
    console.print()
    console.print(table)
    if any(row.against for row in results.rows):
        console.print(
            f"\n± and vs: 95 % over users. ▲ clearly ahead of {results.rival}, the best baseline; "
            "≈ no clear difference; ▼ clearly behind",
            style="dim",
            highlight=False,
        )
    if rare:
        console.print(_about_few(results), style="dim", highlight=False)


def _about_few(results: Results) -> str:
    words = f"few-event: {METRIC} on the {results.few:,} users whose item has {FEW_EVENTS.events}"
    marks = (
        f"; its ▲ ≈ ▼: beside {results.few_rival}, the best baseline there" if results.few_compares else ""
    )
    return words + marks


def _few(column: Column, row: Row, results: Results) -> Text:
    """The mean on few-event items, and how it stands beside the best baseline there."""
    bold = "bold" if column.value(row) == column.top(results.rows) else ""
    found = row.few.against
    sign = Text(f" {SIGNS[found.verdict]}", style=STYLES[found.verdict]) if found else Text("  ")
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
    found = row.against
    half = f"± {percent(found.high - found.difference)}"
    return Text(f"{SIGNS[found.verdict]} {signed(found.difference)} {half}", style=_style(row))


def _style(row: Row) -> str:
    return "" if row.against is None else STYLES[row.against.verdict]
