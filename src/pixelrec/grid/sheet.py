"""The table as CSV: long, complete, for programs. Metrics are fractions here."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import NamedTuple

from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.grid.contest import Part
from pixelrec.grid.results import Results, Row, SeedResult, average, most

FEW = f"{LONG_TAIL.name}: "  # before quantities on items with few training events


class Line(NamedTuple):
    """One number. `seed` is empty where it is over all seeds; `low` and `high` bound its 95 % interval."""

    model: str
    role: str
    split: str
    seed: str
    quantity: str
    value: str
    low: str = ""
    high: str = ""
    unit: str = ""
    note: str = ""


def sheet(results: Results) -> str:
    """A header, and a line for every number that the grid found."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Line._fields)
    for row in results.rows:
        writer.writerows(_row(results, row))
    return text.getvalue()


def _row(results: Results, row: Row) -> Iterator[Line]:
    start = (row.model, row.role, results.split)
    whole = (*start, "")
    yield from _part(whole, row.whole, "", row.progress)
    for name in row.metrics if row.seeds else ():
        yield Line(*whole, f"{name} sd over seeds", _text(row.spread(name)))
    yield from _part(whole, row.few, FEW, row.progress)
    yield from (Line(*whole, name, _text(value), unit=unit) for name, value, unit in _costs_of_all(row))
    for name, value in row.published.items():
        if name != "data":
            yield Line(*whole, f"published {name}", _text(value / 100), note=row.published["data"])
    for seed in row.seeds:
        yield from _seed((*start, str(seed.seed)), seed)
    for number, why in row.failures.items():
        yield Line(*start, str(number), "failed", "", note=why)


def _part(start: tuple[str, str, str, str], part: Part, kind: str, progress: str) -> Iterator[Line]:
    for name, mean in part.metrics.items():
        value, low, high = map(_text, (mean.mean, mean.low, mean.high))
        yield Line(*start, f"{kind}{name}", value, low, high, note=progress)
    if part.against is not None:
        found = part.against.interval
        value, low, high = map(_text, (found.difference, found.low, found.high))
        yield Line(
            *start, f"{kind}{METRIC} less {part.against.baseline}", value, low, high, note=found.verdict
        )


def _costs_of_all(row: Row) -> Iterator[tuple[str, float, str]]:
    if row.seeds:
        yield "seconds per epoch", average(c.seconds_per_epoch for c in row.costs()), "s"
        yield "best epoch", average(c.best_epoch for c in row.costs()), ""
        yield "seconds", average(c.seconds for c in row.costs()), "s"
        yield "memory", most(c.memory for c in row.costs()), "B"
        yield "device memory", most(c.device_memory for c in row.costs()), "B"
        yield "parameters", most(c.parameters for c in row.costs()), ""


def _seed(start: tuple[str, str, str, str], seed: SeedResult) -> Iterator[Line]:
    for kind, metrics in (("", seed.metrics), (FEW, seed.few)):
        for name, value in metrics.items():
            yield Line(*start, f"{kind}{name}", _text(value))
    costs = seed.costs
    machine = f"{costs.machine}, {costs.threads} threads, {costs.jobs} at a time"
    for quantity, number, unit in (
        ("epochs", costs.epochs, ""),
        ("best epoch", costs.best_epoch, ""),
        ("seconds", costs.seconds, "s"),
        ("seconds per epoch", costs.seconds_per_epoch, "s"),
        ("memory", costs.memory, "B"),
        ("device memory", costs.device_memory, "B"),
        ("parameters", costs.parameters, ""),
    ):
        yield Line(*start, quantity, _text(number), unit=unit, note=machine)


def _text(value: float | None) -> str:
    """All digits; empty where there is no number."""
    return "" if value is None or not math.isfinite(value) else repr(value)
