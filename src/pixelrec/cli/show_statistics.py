"""How the statistics of a data set are printed."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pixelrec.data.statistics import Spread, Statistics


def print_statistics(found: Statistics, console: Console) -> None:
    """Writes one table of counts and one of spreads."""
    spec = Table.grid(padding=(0, 2))
    spec.add_column(style="bold")
    spec.add_column(justify="right", no_wrap=True)
    for name, value in _facts(found):
        spec.add_row(name, value)
    spreads = Table(box=None, pad_edge=False, header_style="dim")
    spreads.add_column("", style="bold", no_wrap=True)
    for title in ("events a user", "events an item"):
        spreads.add_column(title, justify="right", no_wrap=True)
    titles = ("mean", "10 %", "25 %", "median", "75 %", "90 %", "99 %", "largest")
    for row in zip(titles, _cells(found.length), _cells(found.popularity), strict=True):
        spreads.add_row(*row)
    console.print(spec, "", spreads)


def _facts(found: Statistics) -> list[tuple[str, str]]:
    return [
        ("users", f"{found.users:,}"),
        ("items", f"{found.items:,}"),
        ("interactions", f"{found.interactions:,}"),
        ("sparsity", f"{100 * found.sparsity:.3f} %"),
        ("repeats", f"{100 * found.repeats:.2f} %"),
        ("users below 3 events, not evaluated", f"{found.not_evaluated:,}"),
        ("items without information", f"{found.undescribed:,}"),
        ("first event (UTC)", f"{found.first:%Y-%m-%d %H:%M}"),
        ("last event (UTC)", f"{found.last:%Y-%m-%d %H:%M}"),
    ]


def _cells(spread: Spread) -> list[str]:
    return [f"{spread.mean:,.2f}", *(f"{q:,.0f}" for q in spread.quantiles), f"{spread.largest:,}"]
