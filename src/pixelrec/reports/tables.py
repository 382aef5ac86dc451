"""The tables and headline numbers of the report, ready to be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import final

from pixelrec.console.numbers import plural
from pixelrec.reports.view import MetricRow, Role, SlicePart

HEADLINE_METRICS = ("Recall@10", "NDCG@10")


@final
@dataclass(frozen=True)
class Headline:
    """A metric in large print, with its ratio to the best baseline."""

    metric: str
    value: float
    comparison: str | None
    behind: bool = False  # whether it is less than the baseline


@final
@dataclass(frozen=True)
class MetricCell:
    """A value in the table; the bar under it is its `share` of the largest in the column, 0 … 1."""

    value: float
    share: float
    best: bool


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


def headline(rows: Sequence[MetricRow]) -> list[Headline]:
    """The trained model against the best baseline."""
    own = next((row for row in rows if row.role == "model"), None)
    if own is None:
        return []
    names = [name for name in HEADLINE_METRICS if name in own.values] or list(own.values)[:2]
    found = []
    for name in names:
        known = [row for row in rows if row.role == "baseline" and _finite(row.values.get(name))]
        best = max(known, key=lambda row: row.values[name], default=None)  # noqa: B023
        if best is None or not best.values[name] or not _finite(own.values[name]):
            found.append(Headline(name, own.values[name], None))
        else:
            ratio = own.values[name] / best.values[name]
            found.append(Headline(name, own.values[name], f"{ratio:.2f} × {best.model}", behind=ratio < 1))
    return found


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
    return MetricCell(value, max(0.0, share), best=row.role != "ceiling" and value == reached > 0)


def _largest(rows: Sequence[MetricRow], metric: str) -> float:
    return max((row.values[metric] for row in rows if _finite(row.values.get(metric))), default=math.nan)


def slice_table(parts: Sequence[SlicePart]) -> MetricTable | None:
    """The headline metrics on each slice side by side, rows in the order of the first; None for one slice."""
    if len(parts) < 2:
        return None
    lines = [MetricLine(row.model, row.role, []) for row in parts[0].metrics]
    metrics: list[str] = []
    groups = []
    for part in parts:
        table = metric_table(part.metrics, HEADLINE_METRICS)
        assert table is not None, "a slice with cases has models"
        cells = {line.model: line.cells for line in table.lines}
        absent = [MetricCell(math.nan, 0.0, best=False)] * len(table.metrics)
        lines = [replace(line, cells=[*line.cells, *cells.get(line.model, absent)]) for line in lines]
        metrics += table.metrics
        groups.append((part.where, len(table.metrics)))
    return MetricTable(metrics, lines, groups)


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
