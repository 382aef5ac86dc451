"""The tables and headline numbers of the report, ready to be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from pixelrec.reports.view import MetricRow, Role, SlicePart

HEADLINE_SPLIT = "test"
HEADLINE_METRICS = ("Recall@10", "NDCG@10")


@final
@dataclass(frozen=True)
class Headline:
    """A metric in large print, with its ratio to the best baseline."""

    metric: str
    split: str
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
    """All models on one split; neighbouring columns may have a common head."""

    split: str
    metrics: Sequence[str]
    lines: Sequence[MetricLine]
    groups: Sequence[tuple[str, int]] = ()  # head and columns


def headline(rows: Sequence[MetricRow]) -> list[Headline]:
    """The trained model on test, or else on its first split, against the best baseline."""
    ours = [row for row in rows if row.role == "model"]
    chosen = next((row for row in ours if row.split == HEADLINE_SPLIT), ours[0] if ours else None)
    if chosen is None:
        return []
    names = [name for name in HEADLINE_METRICS if name in chosen.values] or list(chosen.values)[:2]
    baseline_ranks = [row for row in rows if row.split == chosen.split and row.role == "baseline"]
    return [_headline(chosen, baseline_ranks, name) for name in names]


def _headline(row: MetricRow, baseline_ranks: Sequence[MetricRow], metric: str) -> Headline:
    value = row.values[metric]
    known = [rival for rival in baseline_ranks if _finite(rival.values.get(metric))]
    best = max(known, key=lambda rival: rival.values[metric], default=None)
    if best is None or not best.values[metric] or not _finite(value):
        return Headline(metric, row.split, value, None)
    share = value / best.values[metric]
    return Headline(metric, row.split, value, f"{share:.2f} × {best.model}", behind=share < 1)


def metric_tables(rows: Sequence[MetricRow]) -> list[MetricTable]:
    """One table per split, splits and models in the order given."""
    return [
        _metric_table(split, [row for row in rows if row.split == split]) for split in _distinct_splits(rows)
    ]


def slice_table(parts: Sequence[SlicePart]) -> MetricTable | None:
    """The headline metrics on each slice side by side, rows in the order of the first; None for one slice."""
    if len(parts) < 2:
        return None
    tables = [_metric_table("", [_headline_only(row) for row in part.metrics]) for part in parts]
    cells = [{line.model: line.cells for line in table.lines} for table in tables]
    absent = [[MetricCell(math.nan, 0.0, best=False)] * len(table.metrics) for table in tables]
    lines = [
        MetricLine(
            line.model,
            line.role,
            [cell for c, a in zip(cells, absent, strict=True) for cell in c.get(line.model, a)],
        )
        for line in tables[0].lines
    ]
    metrics = [name for table in tables for name in table.metrics]
    groups = [(part.where, len(table.metrics)) for part, table in zip(parts, tables, strict=True)]
    return MetricTable(parts[0].metrics[0].split, metrics, lines, groups)


def _headline_only(row: MetricRow) -> MetricRow:
    return replace(row, values={name: row.values[name] for name in HEADLINE_METRICS if name in row.values})


def _distinct_splits(rows: Sequence[MetricRow]) -> list[str]:
    return list(dict.fromkeys(row.split for row in rows))


def _metric_table(split: str, rows: Sequence[MetricRow]) -> MetricTable:
    model_first = sorted(rows, key=lambda row: row.role != "model")  # others may lack some
    metrics = list(dict.fromkeys(name for row in model_first for name in row.values))
    largest = {name: _largest(rows, name) for name in metrics}
    reached = {name: _largest([row for row in rows if row.role != "ceiling"], name) for name in metrics}
    lines = [
        MetricLine(row.model, row.role, [_cell(row, name, largest[name], reached[name]) for name in metrics])
        for row in rows
    ]
    return MetricTable(split, metrics, lines)


def _cell(row: MetricRow, metric: str, largest: float, reached: float) -> MetricCell:
    value = row.values.get(metric, math.nan)
    share = value / largest if _finite(value) and largest > 0 else 0.0
    return MetricCell(value, max(0.0, share), best=row.role != "ceiling" and value == reached > 0)


def _largest(rows: Sequence[MetricRow], metric: str) -> float:
    return max((row.values[metric] for row in rows if _finite(row.values.get(metric))), default=math.nan)


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
