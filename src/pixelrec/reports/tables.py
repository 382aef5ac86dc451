"""The tables and headline numbers of the report, ready to be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

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
    return [_headline(own, [row for row in rows if row.role == "baseline"], name) for name in names]


def _headline(own: MetricRow, baselines: Sequence[MetricRow], metric: str) -> Headline:
    value = own.values[metric]
    known = [row for row in baselines if _finite(row.values.get(metric))]
    best = max(known, key=lambda row: row.values[metric], default=None)
    if best is None or not best.values[metric] or not _finite(value):
        return Headline(metric, value, None)
    ratio = value / best.values[metric]
    return Headline(metric, value, f"{ratio:.2f} × {best.model}", behind=ratio < 1)


def metric_table(rows: Sequence[MetricRow]) -> MetricTable | None:
    """All metrics of all models, in the order given; None without models."""
    if not rows:
        return None
    own_first = sorted(rows, key=lambda row: row.role != "model")  # others may lack some metrics
    metrics = list(dict.fromkeys(name for row in own_first for name in row.values))
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
        values = [{k: v for k, v in row.values.items() if k in HEADLINE_METRICS} for row in part.metrics]
        table = metric_table(
            [replace(row, values=some) for row, some in zip(part.metrics, values, strict=True)]
        )
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
    words = ["1 epoch" if len(ran) == 1 else f"{len(ran):,} epochs"]
    seconds = _mean(ran, "seconds")
    if seconds is not None:
        words.append(f"{seconds:.3g} s each")
    windows = _mean(ran, "windows_per_second")
    if windows is not None:
        words.append(f"{windows:,.0f} windows/s")
    return " · ".join(words)


def _mean(records: Sequence[Mapping[str, float]], key: str) -> float | None:
    values = [record[key] for record in records if _finite(record.get(key))]
    return sum(values) / len(values) if values else None


def flatten(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """{"users": {"layers": 3}} → [("users.layers", "3")]; values are written as in JSON, texts bare."""
    return list(_flat(settings, ()))


def _flat(settings: Mapping[str, object], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        name = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _flat(value, name)
        else:
            yield (
                ".".join(name),
                value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False),
            )


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
