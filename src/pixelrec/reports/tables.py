"""The tables of the report, ready to be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import final

from pixelrec.console.numbers import DASH, duration, percent, plural
from pixelrec.evaluation.comparison import METRIC
from pixelrec.reports.view import Curves, MetricRow, Role, SlicePart
from pixelrec.training.journal import cost_of


@final
@dataclass(frozen=True)
class MetricCell:
    """A value in the table; the bar under it is its `share` of the largest in the column, 0 … 1."""

    text: str
    share: float
    best: bool
    half: str = ""  # half the width of its interval


@final
@dataclass(frozen=True)
class MetricLine:
    model: str
    role: Role
    cells: Sequence[MetricCell]


@final
@dataclass(frozen=True)
class MetricTable:
    """Metrics of all models; neighbouring columns may have a common head."""

    metrics: Sequence[str]
    lines: Sequence[MetricLine]
    groups: Sequence[tuple[str, int]] = ()  # head and columns


def metric_table(rows: Sequence[MetricRow], only: Sequence[str] = ()) -> MetricTable | None:
    """All metrics of all models, or `only` some, in the order given; None without models."""
    if not rows:
        return None
    own_first = sorted(rows, key=lambda row: row.role != "model")  # others may lack some metrics
    metrics = list(dict.fromkeys(n for row in own_first for n in row.values if not only or n in only))
    largest = {name: _largest(rows, name) for name in metrics}
    reached = {name: _largest([row for row in rows if row.role != "ceiling"], name) for name in metrics}
    lines = [
        MetricLine(row.model, row.role, [_cell(row, name, largest[name], reached[name]) for name in metrics])
        for row in rows
    ]
    return MetricTable(metrics, lines)


def _cell(row: MetricRow, metric: str, largest: float, reached: float) -> MetricCell:
    value = row.values.get(metric, math.nan)
    share = value / largest if _finite(value) and largest > 0 else 0.0
    low, high = row.intervals.get(metric, (math.nan, math.nan))
    half = percent((high - low) / 2) if _finite(high - low) else ""
    best = row.role != "ceiling" and value == reached > 0
    return MetricCell(percent(value), max(0.0, share), best, half)


def _largest(rows: Sequence[MetricRow], metric: str) -> float:
    return max((row.values[metric] for row in rows if _finite(row.values.get(metric))), default=math.nan)


def slice_table(parts: Sequence[SlicePart]) -> MetricTable | None:
    """NDCG@10 and the median rank on each slice, in the order of the first slice; None for one slice."""
    if len(parts) < 2:
        return None
    lines = [MetricLine(row.model, row.role, []) for row in parts[0].metrics]
    metrics: list[str] = []
    groups = []
    for part in parts:
        table = metric_table(part.metrics, (METRIC,))
        assert table is not None, "a slice with cases has models"
        medians = _medians(part.metrics)
        cells = {line.model: [*line.cells, medians[line.model]] for line in table.lines}
        absent = [MetricCell(DASH, 0.0, best=False)] * (len(table.metrics) + 1)
        lines = [replace(line, cells=[*line.cells, *cells.get(line.model, absent)]) for line in lines]
        metrics += [*table.metrics, "median rank"]
        groups.append((part.where, len(table.metrics) + 1))
    return MetricTable(metrics, lines, groups)


def _medians(rows: Sequence[MetricRow]) -> dict[str, MetricCell]:
    """By model; the lowest is the best."""
    known = [row.median_rank for row in rows if row.median_rank is not None]
    return {
        row.model: MetricCell(DASH, 0.0, best=False)
        if row.median_rank is None
        else MetricCell(f"{row.median_rank:,.0f}", 0.0, row.median_rank == min(known))
        for row in rows
    }


def cost_table(runs: Sequence[Curves]) -> MetricTable | None:
    """CPU time and passes of pictures of the reported run, the first, and of others; None if it has none.

    Runs without epochs have no line.
    """
    costs = [(run.model, cost_of(run.epochs)) for run in runs if run.epochs]
    if not runs or not runs[0].epochs or not any(cost["cpu_seconds"] for _, cost in costs):
        return None
    columns = {"CPU time": "cpu_seconds", "encodes": "encodes", "trained encodes": "trained_encodes"}
    largest = {name: max(cost[name] for _, cost in costs) for name in columns.values()}
    lines: list[MetricLine] = []
    for model, cost in costs:
        cells = []
        for name in columns.values():
            text = duration(cost[name]) if name == "cpu_seconds" else f"{cost[name]:,.0f}"
            cells.append(MetricCell(text, cost[name] / max(largest[name], 1e-9), best=False))
        lines.append(MetricLine(model, "other" if lines else "model", cells))
    return MetricTable(list(columns), lines)


def pace(epochs: Sequence[Mapping[str, float]]) -> str:
    """Number and speed of the epochs, as in "12 epochs · 3.4 s each"; empty before the first."""
    ran = [record for record in epochs if record["epoch"] > 0]  # epoch 0 is the start
    if not ran:
        return ""
    words = [plural(len(ran), "epoch")]
    for key, form in (("seconds", "{:.3g} s each"), ("windows_per_second", "{:,.0f} windows/s")):
        if values := [record[key] for record in ran if _finite(record.get(key))]:
            words.append(form.format(fmean(values)))
    return " · ".join(words)


def flatten(settings: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """{"users": {"layers": 3}} → ("users.layers", "3"); values are written as in JSON, texts bare."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{above}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
            yield f"{above}{key}", text


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
