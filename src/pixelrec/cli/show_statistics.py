"""The statistics of a data set."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pixelrec.console.numbers import percent
from pixelrec.data.statistics import Statistics


def print_statistics(found: Statistics, console: Console) -> None:
    """A table of counts."""
    counts = Table.grid(padding=(0, 2))
    counts.add_column(style="bold")
    counts.add_column(justify="right", no_wrap=True)
    counts.add_row("users", f"{found.users:,}")
    counts.add_row("items", f"{found.items:,}")
    counts.add_row("interactions", f"{found.interactions:,}")
    counts.add_row("sparsity", f"{percent(found.sparsity, 3)} %")
    if found.exact_repeats and "--repeats" not in found.left_out:
        done = "kept" if found.repeats_kept else "dropped"
        counts.add_row(f"rows that repeat user, item and time, {done}", f"{found.exact_repeats:,}")
    for options, rows in found.left_out.items():
        counts.add_row(f"rows left out by {options}", f"{rows:,}")
    counts.add_row("repeat purchases, of all interactions", f"{percent(found.repeats)} %")
    counts.add_row("repeat purchases, of the test events", f"{percent(found.repeated_tests)} %")
    counts.add_row("users with fewer than 3 events, not evaluated", f"{found.not_evaluated:,}")
    if found.undescribed < found.items:  # there is a table of items
        counts.add_row("items without a row in the items table", f"{found.undescribed:,}")
    if found.first and found.last:
        counts.add_row("first event (UTC)", f"{found.first:%Y-%m-%d %H:%M}")
        counts.add_row("last event (UTC)", f"{found.last:%Y-%m-%d %H:%M}")
    for noun, spread in (("user", found.length), ("item", found.popularity)):
        three = f"{spread.mean:,.1f} / {spread.median:,.0f} / {spread.largest:,}"
        counts.add_row(f"events per {noun}: mean / median / most", three)
    console.print(counts)
