"""The columns of the table. Markdown, CSV, HTML and the terminal all render this one list."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import final

from pixelrec.choices import CONTROLS, Control
from pixelrec.console.numbers import DASH, percent, plural, short, signed, with_prefix
from pixelrec.evaluation.comparison import METRIC, few_deciding
from pixelrec.evaluation.significance import Interval, Verdict
from pixelrec.grid.cell import Costs
from pixelrec.grid.results import LONG_TAIL_WORD, NEW_WORD, Results, Row, SubsetResult

SIGNS = {"ahead": "▲", "level": "≈", "behind": "▼"}
METRICS = ("Recall@5", "Recall@10", "NDCG@5", "NDCG@10", "MRR@5", "MRR@10")
_IN_TABLES = METRICS[:4]


@final
@dataclass(frozen=True)
class Estimate:
    """One number of a row; NaN where there is none. Metrics are fractions, memory is bytes."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    verdict: Verdict | None = None
    few: str = ""  # said where few users decide the verdict
    note: str = ""


@final
@dataclass(frozen=True)
class Column:
    """One column. The CSV has all estimates with their intervals."""

    title: str
    estimate: Callable[[Row], Estimate]
    text: Callable[[Estimate], str]
    about: str
    unit: str = ""  # in the CSV
    brief: Callable[[Estimate], str] | None = None  # the text in the terminal; default: `text`
    brief_title: str = ""
    keep: int = 0  # a narrowing terminal drops the lowest first; 0: not in the terminal
    csv: bool = True
    markdown: bool = True
    html: bool = True
    training: bool = False  # costs: a table of their own in HTML, without the baselines
    best: bool = False  # whether the largest value is marked
    extra: bool = False  # whether a narrow page leaves it out

    def is_best(self, row: Row, rows: Sequence[Row]) -> bool:
        """Whether the row has the largest value, in a column where that is the best one."""
        values = [found for other in rows if math.isfinite(found := self.estimate(other).value)]
        return self.best and bool(values) and self.estimate(row).value == max(values)


def all_columns(results: Results) -> list[Column]:
    columns = [_metric(name, lambda row: row.overall) for name in METRICS]
    columns += [_SPREAD, _difference(METRIC, results.best_baseline, lambda row: row.overall)]
    audited = {control for row in results.rows if row.audit for control in row.audit.differences}
    columns += [_audit(control) for control in CONTROLS if control in audited]
    if results.long_tail_best:
        columns += [_metric(name, lambda row: row.long_tail, "long-tail ") for name in METRICS]
    if results.long_tail_compares:
        columns.append(_difference("long-tail", results.long_tail_best, lambda row: row.long_tail))
    if any(row.new.metrics for row in results.rows):
        columns.append(_metric(METRIC, lambda row: row.new, "new ", keep=3))
    compared = {word for row in results.rows for word in row.versus}
    columns += [
        _versus(word, results.reference) for word in (METRIC, LONG_TAIL_WORD, NEW_WORD) if word in compared
    ]
    on_device = any(cost.device_memory is not None for row in results.rows for cost in row.costs)
    columns += [column for column in _TRAINING if on_device or column.title != "device memory"]
    if any(row.published for row in results.rows):
        names = dict.fromkeys(name for row in results.rows for name in row.published if name != "data")
        columns += [_PUBLISHED, *map(_published_metric, names)]
    return columns


def _metric(name: str, subset: Callable[[Row], SubsetResult], prefix: str = "", *, keep: int = 7) -> Column:
    def estimate(row: Row) -> Estimate:
        found = subset(row)
        if name not in found.metrics:
            return Estimate()
        verdict = found.against.verdict if found.against and prefix else None
        mean = found.metrics[name]
        return Estimate(mean.mean, mean.low, mean.high, verdict, note=row.progress)

    def with_sign(found: Estimate) -> str:
        return f"{percent(found.value)} {SIGNS[found.verdict] if found.verdict else ' '}"

    shown = name == METRIC if prefix else name in _IN_TABLES
    return Column(
        f"{prefix}{name}",
        estimate,
        _with_interval,
        "in %, ± half the width of its 95 % interval over users",
        brief=with_sign if prefix else None if name == METRIC else lambda found: percent(found.value),
        brief_title=prefix.strip(),
        keep=({METRIC: keep} if prefix else {METRIC: 8, "Recall@10": 6}).get(name, int(shown)),
        markdown=shown,
        html=shown or name == "MRR@10" and not prefix,
        best=True,
        extra=name.endswith("@5") or name.startswith("MRR"),
    )


def _with_interval(found: Estimate) -> str:
    if not math.isfinite(found.value):
        return DASH
    return f"{percent(found.value)} ± {percent(found.high - found.value)}"


_SPREAD = Column(
    "sd of seeds",
    lambda row: Estimate(row.spread(METRIC)),
    lambda found: percent(found.value),
    f"standard deviation of {METRIC} over seeds, in points",
    keep=2,
    extra=True,
)


def _difference(title: str, best: str, subset: Callable[[Row], SubsetResult]) -> Column:
    def estimate(row: Row) -> Estimate:
        found = subset(row).against
        if found is None:
            is_best = row.role == "baseline" and row.model == best
            return Estimate(note="best baseline" if is_best else "")
        return _of_interval(found.interval)

    return Column(
        f"{title} vs {best}",
        estimate,
        _signed_interval,
        f"{METRIC} minus that of {best}, the best baseline{' there' if title != METRIC else ''}, on the same "
        "users, in points, with its 95 % interval",
        brief=_brief_difference,
        brief_title=f"vs {best}",
        keep=8 if title == METRIC else 0,  # on long-tail items a sign beside the mean
        html=False,  # the forest plots show it
    )


def _of_interval(gap: Interval) -> Estimate:
    note = f"{gap.verdict}, p = {gap.p:.2g}, {plural(gap.deciding, 'user')} differ"
    return Estimate(gap.difference, gap.low, gap.high, gap.verdict, few_deciding(gap, ", "), note)


def _signed_interval(found: Estimate) -> str:
    if found.verdict is None:
        return found.note or DASH
    interval = f"[{signed(found.low)}, {signed(found.high)}]"
    return f"{SIGNS[found.verdict]} {signed(found.value)} {interval}{found.few}"


def _brief_difference(found: Estimate) -> str:
    if found.verdict is None:
        return found.note or DASH
    return f"{SIGNS[found.verdict]} {signed(found.value)} ± {percent(found.high - found.value)}"


def _audit(control: Control) -> Column:
    def estimate(row: Row) -> Estimate:
        if row.audit is None or control not in row.audit.differences:
            return Estimate()
        return _of_interval(row.audit.differences[control].interval)

    return Column(
        f"{METRIC} vs {control}",
        estimate,
        _signed_interval,
        f"{METRIC} minus that of the same recipe with {control} content, in points, with its 95 % interval",
        brief=_brief_difference,
        brief_title=f"vs {control}",
        keep=7,
    )


def _versus(word: str, reference: str) -> Column:
    def estimate(row: Row) -> Estimate:
        return _of_interval(row.versus[word].interval) if word in row.versus else Estimate()

    return Column(
        f"{word} vs {reference}",
        estimate,
        _signed_interval,
        f"{METRIC} minus that of {reference} on the same users, in points, with its 95 % interval",
        brief=_brief_difference,
        brief_title=f"vs {reference}",
        keep=7 if word == METRIC else 0,
    )


def _cost(
    title: str,
    pick: Callable[[Costs], float | None],
    write: Callable[[float], str],
    about: str,
    unit: str = "",
    *,
    keep: int = 0,
    extra: bool = False,
) -> Column:
    over_seeds = max if unit == "B" else fmean

    def estimate(row: Row) -> Estimate:
        known = [value for cost in row.costs if (value := pick(cost)) is not None]
        machines = sorted({f"{c.machine}, {c.threads} threads, {c.jobs} at a time" for c in row.costs})
        return Estimate(over_seeds(known) if known else math.nan, note="; ".join(machines))

    def text(found: Estimate) -> str:
        return write(found.value)

    return Column(title, estimate, text, about, unit, keep=keep or 1, training=True, extra=extra)


def _passes(name: str) -> Callable[[Costs], float | None]:
    """Passes through a picture network; none of a recipe without one."""

    def pick(costs: Costs) -> float | None:
        return getattr(costs, name) if costs.encodes or costs.trained_encodes else None

    return pick


_counted = partial(with_prefix, unit="")


# Means over seeds, and of memory the most of any seed.
_TRAINING = [
    _cost(
        "s/epoch", lambda c: c.seconds / max(c.epochs, 1), short, "seconds of training per epoch", "s", keep=5
    ),
    _cost("best epoch", lambda c: c.best_epoch, short, "epochs until the best on validation", extra=True),
    _cost("min/run", lambda c: c.seconds / 60, short, "minutes of training, all epochs", "min", keep=3),
    _cost("core-s", lambda c: c.cpu_seconds, short, "CPU seconds of training, all epochs", "s", keep=4),
    _cost("encodes", _passes("encodes"), _counted, "passes of pictures, forward only"),
    _cost(
        "trained encodes", _passes("trained_encodes"), _counted, "passes of pictures, forward and backward"
    ),
    _cost("memory", lambda c: c.memory, with_prefix, "the most main memory that a run used", "B", keep=4),
    _cost(
        "device memory",
        lambda c: c.device_memory,
        with_prefix,
        "of tensors on the accelerator, at most",
        "B",
        keep=2,
    ),
    _cost(
        "parameters", lambda c: c.parameters, partial(with_prefix, unit=""), "of the recommender", extra=True
    ),
]


def published_figures(row: Row) -> str:
    """As in "Recall@10 2.50, NDCG@10 1.35 (Pixel200K)"; empty where nothing is published."""
    figures = [f"{name} {value:.2f}" for name, value in row.published.items() if name != "data"]
    return f"{', '.join(figures)} ({row.published['data']})" if row.published else ""


_FIGURES = "figures of the recipe's paper, in %, on the data set named: comparable with nothing else here"
_PUBLISHED = Column(
    "published",
    lambda row: Estimate(note=published_figures(row)),
    lambda found: found.note or DASH,
    _FIGURES,
    html=False,  # they stand below the names
    csv=False,
)


def _published_metric(name: str) -> Column:
    def estimate(row: Row) -> Estimate:
        return Estimate(row.published.get(name, math.nan) / 100, note=row.published.get("data", ""))

    return Column(f"published {name}", estimate, _with_interval, _FIGURES, markdown=False, html=False)
