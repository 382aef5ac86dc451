"""What an evaluation found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pixelrec.evaluation.measured import Measured

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {"ahead": "green", "level": "yellow", "behind": "red"}


def print_measured(
    found: Measured, console: Console, ceiling: Mapping[str, Mapping[str, float]] | None = None
) -> None:
    """Prints all models from the best to the worst by NDCG@10, and how the trained one stands among them.

    ceiling: metrics that nobody can beat, by the name of their row, where they are known.
    """
    console.print()
    console.print(_table(found, ceiling or {}))
    console.print()
    if found.comparison is not None:
        colour = COLOURS[found.comparison.verdict]
        console.print(
            found.comparison.sentence(found.model), style=f"bold {colour}", highlight=False, markup=False
        )
    if found.notes:
        notes = ", ".join(f"{name} ({note})" for name, note in found.notes.items())
        console.print(f"baselines: {notes}; chosen on validation", style="dim", highlight=False, markup=False)


def _table(found: Measured, ceiling: Mapping[str, Mapping[str, float]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    names = list(found.metrics[found.model])
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(f"{found.split}, %", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    values = {**ceiling, **found.metrics}
    for model in found.ordered(ceiling):
        ours = model == found.model
        cells = (f"{100 * values[model][name]:.2f}" if name in values[model] else "–" for name in names)
        table.add_row(Text(f"{'>' if ours else ' '} {model}"), *cells, style="bold" if ours else None)
    return table
