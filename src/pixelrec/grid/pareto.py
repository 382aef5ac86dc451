"""Quality against cost: the recipes of a grid by their core-seconds, and those that none dominates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import final

from pixelrec.console.numbers import percent, short
from pixelrec.drawing.scales import Scale, Tick, linear_steps, logarithmic_steps
from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.grid.results import Results, Row, SubsetResult

LEFT, RIGHT, TOP, BOTTOM = 58, 460, 18, 252  # the frame, in user units
_ROOM = 1.25  # factor between the extreme costs and the ends of the axis


@final
@dataclass(frozen=True)
class ParetoPoint:
    """A recipe; `number` stands in its mark and in the legend."""

    number: int
    model: str
    seconds: float
    quality: float
    x: float
    y: float
    low: float  # y of its 95 % interval
    high: float
    best: bool  # no recipe is better for the same cost or less

    @property
    def label(self) -> str:
        return f"{percent(self.quality)} for {short(self.seconds)} core-s"


@final
@dataclass(frozen=True)
class ParetoPlot:
    title: str
    points: Sequence[ParetoPoint]  # the cheapest first
    baseline: str  # the best one
    baseline_at: float  # y
    across: Sequence[Tick]
    up: Sequence[Tick]

    @property
    def front(self) -> list[ParetoPoint]:
        return [point for point in self.points if point.best]

    @property
    def description(self) -> str:
        listed = (f"{point.model} {point.label}" for point in self.points)
        return f"{self.title}, against CPU seconds of training: {'; '.join(listed)}"


def core_seconds(row: Row) -> float | None:
    """The mean over seeds; none if it is unknown, or nothing was trained."""
    known = [cost.cpu_seconds for cost in row.costs if cost.cpu_seconds]
    return fmean(known) if known and len(known) == len(row.costs) else None


def pareto_plots(results: Results) -> list[ParetoPlot]:
    """Over all users, and over those of long-tail items; none with fewer than two recipes to compare."""
    plots = [_plot(results, f"{METRIC}, %", results.best_baseline, lambda row: row.overall)]
    if results.long_tail_best:
        title = f"{METRIC} on items with {LONG_TAIL.events}, %"
        plots.append(_plot(results, title, results.long_tail_best, lambda row: row.long_tail))
    return [plot for plot in plots if plot is not None]


def _plot(
    results: Results, title: str, baseline: str, subset: Callable[[Row], SubsetResult]
) -> ParetoPlot | None:
    rows = [row for row in results.recipes if not row.is_control and subset(row).metrics]
    costs = {row.model: seconds for row in rows if (seconds := core_seconds(row))}
    rows = sorted((row for row in rows if row.model in costs), key=lambda row: costs[row.model])
    if len(rows) < 2:
        return None
    means = [subset(row).metrics[METRIC] for row in rows]
    line = next(subset(row).value(METRIC) for row in results.rows if row.model == baseline)
    least, most = min(line, *(m.low for m in means)), max(line, *(m.high for m in means))
    up = linear_steps(100 * max(least, 0.0), 100 * most, most=5)
    low, high = min(costs.values()) / _ROOM, max(costs.values()) * _ROOM
    x, y = Scale(low, high, LEFT, RIGHT, logarithmic=True), Scale(up[0], up[-1], BOTTOM, TOP)
    points, best = [], -1.0
    for number, (row, mean) in enumerate(zip(rows, means, strict=True), 1):
        ahead, seconds = mean.mean > best, costs[row.model]
        best = max(best, mean.mean)
        at, ends = y(100 * mean.mean), (y(100 * max(mean.low, 0.0)), y(100 * mean.high))
        points.append(ParetoPoint(number, row.model, seconds, mean.mean, x(seconds), at, *ends, ahead))
    ticks = [Tick(y(step), f"{step:.6g}") for step in up]
    return ParetoPlot(title, points, baseline, y(100 * line), x.ticks(logarithmic_steps(low, high)), ticks)
