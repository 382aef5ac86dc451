"""The demonstration: both runs and the best baselines in one table, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import final

from rich.console import Console
from rich.table import Table

from pixelrec.cli.show_evaluation import COLOURS
from pixelrec.console.numbers import percent
from pixelrec.console.terminal import first_that_fits, plain_table, say
from pixelrec.demonstration.demonstrate import CONTENDERS, IDS, PIXELS, Demonstration
from pixelrec.evaluation.comparison import METRIC, best_first
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.runs.results import EvaluationResult

SHOWN = ("Recall@10", METRIC)
BEST_POSSIBLE = "best possible"
Metrics = Mapping[str, Mapping[str, float]]  # by the name of a row, in fractions


def print_demonstration(found: Demonstration, console: Console) -> None:
    """A table over all test events and over those of long-tail items, and the verdicts on the two runs."""
    difference = found.difference
    console.print()
    columns = _columns(found)
    tables = [_table(columns, found.ceiling, shown) for shown in (SHOWN, (METRIC,))]
    console.print(first_that_fits(tables, console))
    console.print()
    for pair in (difference.overall, difference.long_tail):
        if pair is not None:
            say(pair.sentence(PIXELS.name, IDS.name), console, f"bold {COLOURS[pair.verdict]}")


@final
@dataclass(frozen=True)
class _Columns:
    """Metrics of both contenders and of all baselines, in fractions, on some test events."""

    head: str
    rows: Mapping[str, Mapping[str, float]]

    @property
    def best_baseline(self) -> str:
        return next(name for name in best_first(self.rows) if name not in CONTENDERS)


def _columns(found: Demonstration) -> list[_Columns]:
    """All test events, and those of long-tail items if there are any."""
    runs = {IDS.name: found.ids, PIXELS.name: found.pixels}
    measured = {name: EvaluationResult.read(run.folder, "test") for name, run in runs.items()}
    cases = sum(part.cases for part in measured[PIXELS.name].slices)
    every = {name: (each.model, each.metrics) for name, each in measured.items()}
    columns = [_Columns(f"\nall items\n(n = {cases:,})", _rows(every))]
    parts = {name: each.slice(LONG_TAIL.name) for name, each in measured.items()}
    few = {name: (measured[name].model, part.metrics) for name, part in parts.items() if part is not None}
    if part := parts[PIXELS.name]:
        columns.append(_Columns(f"items with\n{part.events}\n(n = {part.cases:,})", _rows(few)))
    return columns


def _rows(found: Mapping[str, tuple[str, Metrics]]) -> dict[str, Mapping[str, float]]:
    """Each contender under its own name instead of its recipe's; both have the same baselines."""
    rows: dict[str, Mapping[str, float]] = {}
    for name, (model, metrics) in found.items():
        rows |= {name if row == model else row: values for row, values in metrics.items()}
    return rows


def _table(columns: Sequence[_Columns], ceiling: Mapping[str, float], metrics: Sequence[str]) -> Table:
    """The best over all events first; of the baselines only popularity and the best of each column group."""
    table = plain_table()
    table.add_column("\n\n\ntest, %", no_wrap=True)
    for each in columns:
        for head, metric in zip((each.head, "\n\n"), metrics, strict=False):
            table.add_column(f"{head}\n{metric}", justify="right", no_wrap=True)
    shown = {BEST_POSSIBLE, *CONTENDERS, "popularity", *(each.best_baseline for each in columns)}
    for name in best_first({BEST_POSSIBLE: ceiling, **columns[0].rows}):
        if name in shown:
            values = [ceiling if name == BEST_POSSIBLE else columns[0].rows[name]]
            values += [each.rows.get(name, {}) for each in columns[1:]]
            cells = [percent(value.get(metric, nan)) for value in values for metric in metrics]
            table.add_row(name, *cells, style="bold" if name in CONTENDERS else None)
    return table
