"""The table as one self-contained HTML page, in the style of a run's report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pixelrec.console.numbers import signed
from pixelrec.console.terminal import printable
from pixelrec.drawing.scales import Tick, linear_steps
from pixelrec.evaluation.comparison import METRIC, few_deciding
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.grid.columns import SIGNS, Column, all_columns, published_figures
from pixelrec.grid.pareto import pareto_plots
from pixelrec.grid.results import Results, Row, SubsetResult
from pixelrec.grid.tables import one_seed_note, table_notes
from pixelrec.reports.page import environment

WORDS = {"ahead": "clearly ahead", "level": "no clear difference", "behind": "clearly behind"}


@final
@dataclass(frozen=True)
class ForestPlot:
    """METRIC of all rows with its intervals, below each other on one axis that starts at 0."""

    title: str
    over: str  # the users of the intervals
    best: str  # the baseline that all recipes are compared with
    parts: Sequence[tuple[Row, SubsetResult]]

    @property
    def subtitle(self) -> str:
        return f"{METRIC} in % with its 95 % interval over {self.over}; the dashed line is {self.best}"

    @property
    def end(self) -> float:
        """The largest value on the axis: the end of the longest interval."""
        return max((part.metrics[METRIC].high for _, part in self.parts if part.metrics), default=0.0) or 1.0

    @property
    def ticks(self) -> list[Tick]:
        """Round values in % at their places, 0 … 1."""
        steps = linear_steps(0.0, 100 * self.end, most=6)
        return [Tick(step / (100 * self.end), f"{step:.6g}") for step in steps if step <= 100 * self.end]

    @property
    def line(self) -> float:
        """The place of the best baseline, 0 … 1."""
        return next(
            part.value(METRIC) / self.end
            for row, part in self.parts
            if row.model == self.best and row.role == "baseline"
        )

    def bar(self, part: SubsetResult) -> tuple[float, float, float] | None:
        """The places of an interval's start, mean and end, 0 … 1."""
        if METRIC not in part.metrics:
            return None
        found = part.metrics[METRIC]
        low, mean, high = (min(max(x / self.end, 0.0), 1.0) for x in (found.low, found.mean, found.high))
        return low, mean, high


def forest_plots(results: Results) -> list[ForestPlot]:
    """Over all users, and over those of long-tail items if there are enough for a mean."""
    overall = [(row, row.overall) for row in results.rows]
    plots = [ForestPlot("At a glance", "users", results.best_baseline, overall)]
    if results.long_tail_best:
        over = f"the {results.long_tail:,} users whose item has {LONG_TAIL.events}"
        long_tail = [(row, row.long_tail) for row in results.rows]
        plots.append(ForestPlot("On long-tail items", over, results.long_tail_best, long_tail))
    return plots


def page(results: Results) -> str:
    columns = [column for column in all_columns(results) if column.html]
    done = [row for row in results.recipes if row.overall.metrics and not row.is_control]
    made = environment(Path(__file__).parent)
    made.filters["signed"] = signed
    made.filters["few"] = few_deciding
    text = made.get_template("grid.html").render(
        results=results,
        metric=METRIC,
        quality=[column for column in columns if not column.training],
        training=[column for column in columns if column.training],
        plots=forest_plots(results),
        pareto=pareto_plots(results),
        best=max(done, key=lambda row: row.overall.value(METRIC), default=None),
        cells=lambda row, columns: [_cell(column, row, results.rows) for column in columns],
        published=published_figures,
        notes=table_notes(results),
        one_seed=one_seed_note(results),
        words=WORDS,
        signs=SIGNS,
    )
    return printable(text, lines=True)


def _cell(column: Column, row: Row, rows: Sequence[Row]) -> dict[str, object]:
    """A cell of a table; the page sorts by `key`, empty ones last."""
    found = column.estimate(row)
    key = repr(found.value) if math.isfinite(found.value) else ""
    return {"text": column.text(found), "key": key, "best": column.is_best(row, rows)}
