"""What an evaluation found, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.measured import Measured
from pixelrec.evaluation.slices import FEW_EVENTS, FEWEST

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {"ahead": "green", "level": "yellow", "behind": "red"}


def print_measured(found: Measured, console: Console) -> None:
    """Prints all models from the best to the worst by NDCG@10, and how the trained one stands among them.

    Under them, the same on items with few training events and on the others.
    """
    console.print()
    console.print(_table(found))
    console.print()
    if found.comparison is not None:
        _print_standing(found.comparison, found.model, console)
    if found.notes:
        notes = ", ".join(f"{name} ({note})" for name, note in found.notes.items())
        console.print(f"baselines: {notes}; chosen on validation", style="dim", highlight=False, markup=False)
    _print_slices(found, console)


def _print_slices(found: Measured, console: Console) -> None:
    """A table where there is something to tell apart, else a line that says so."""
    if len(found.slices) == 1:
        every = f"\nall {found.slices[0].questions:,} {found.split} events are of items with"
        console.print(f"{every} {found.slices[0].events}", style="dim", highlight=False, markup=False)
    if len(found.slices) < 2:
        return
    console.print()
    console.print(_slices_table(found))
    console.print()
    for part in found.slices:
        if part.comparison is not None and part.name == FEW_EVENTS.name:
            _print_standing(part.comparison, found.model, console, part.where)
        elif part.comparison is None:
            said = f"{part.where}: models are compared on {FEWEST} {found.split} events or more"
            console.print(said, style="dim", highlight=False, markup=False)


def _print_standing(found: Comparison, model: str, console: Console, where: str = "") -> None:
    said = found.sentence(model, where)
    console.print(said, style=f"bold {COLOURS[found.verdict]}", highlight=False, markup=False)


def _table(found: Measured) -> Table:
    names = list(found.metrics[found.model])
    table = _empty_table(f"{found.split}, %", names)
    for model in found.ordered():
        cells = [f"{100 * found.metrics[model][name]:.2f}" for name in names]
        _add_row(table, model, cells, ours=model == found.model)
    return table


def _slices_table(found: Measured) -> Table:
    """A column a slice, in the order of the first: the one of few training events."""
    heads = [f"{METRIC} on items with\n{part.events}\n(n = {part.questions:,})" for part in found.slices]
    table = _empty_table(f"{found.split}, %", heads)
    for model in found.slices[0].ordered():
        cells = [f"{100 * part.metrics[model][METRIC]:.2f}" for part in found.slices]
        _add_row(table, model, cells, ours=model == found.model)
    return table


def _empty_table(corner: str, heads: list[str]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(corner, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _add_row(table: Table, model: str, cells: list[str], *, ours: bool) -> None:
    from rich.text import Text

    table.add_row(Text(f"{'>' if ours else ' '} {model}"), *cells, style="bold" if ours else None)
