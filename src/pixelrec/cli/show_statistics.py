"""The statistics of a data set."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pixelrec.console.numbers import percent
from pixelrec.data.statistics import Spread, Statistics


def print_statistics(found: Statistics, console: Console) -> None:
    """A table of counts, and one of the events per user and per item."""
    spec = Table.grid(padding=(0, 2))
    spec.add_column(style="bold")
    spec.add_column(justify="right", no_wrap=True)
    for name, value in _facts(found):
        spec.add_row(name, value)
    spreads = Table(box=None, pad_edge=False, header_style="dim")
    spreads.add_column("events", style="bold", no_wrap=True)
    for title in ("per user", "per item"):
        spreads.add_column(title, justify="right", no_wrap=True)
    titles = ("mean", "10 %", "25 %", "median", "75 %", "90 %", "99 %", "largest")
    for row in zip(titles, _cells(found.length), _cells(found.popularity), strict=True):
        spreads.add_row(*row)
    console.print(spec, "", spreads)


def _facts(found: Statistics) -> list[tuple[str, str]]:
    described = found.undescribed < found.items  # there is a table of items
    return [
        ("users", f"{found.users:,}"),
        ("items", f"{found.items:,}"),
        ("interactions", f"{found.interactions:,}"),
        ("sparsity", f"{percent(found.sparsity, 3)} %"),
        ("repeated interactions", f"{percent(found.repeats)} %"),
        ("users below 3 events, not evaluated", f"{found.not_evaluated:,}"),
        *([("items without information", f"{found.undescribed:,}")] if described else []),
        ("first event (UTC)", f"{found.first:%Y-%m-%d %H:%M}"),
        ("last event (UTC)", f"{found.last:%Y-%m-%d %H:%M}"),
    ]


def _cells(spread: Spread) -> list[str]:
    return [f"{spread.mean:,.2f}", *(f"{q:,.0f}" for q in spread.quantiles), f"{spread.largest:,}"]
