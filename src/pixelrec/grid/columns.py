"""The columns of the table, written once: every form of the table picks from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

from pixelrec.console.numbers import DASH, percent, short, signed, with_prefix
from pixelrec.evaluation.comparison import METRIC
from pixelrec.grid.cell import Costs
from pixelrec.grid.contest import Part
from pixelrec.grid.results import Results, Row, average, most

QUOTED = ("Recall@5", "Recall@10", "NDCG@5", "NDCG@10")
MARKS = {"ahead": "▲ ahead", "level": "≈ no clear difference", "behind": "▼ behind"}


@final
@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        value: what it is sorted by; not a number where it is empty.
        text: what is written, a dash where it is empty.
        about: a sentence for those who wonder.
        best: whether the largest value is the best one, and shown so.
        extra: whether a narrow screen goes without it.
    """

    title: str
    value: Callable[[Row], float]
    text: Callable[[Row], str]
    about: str
    best: bool = False
    extra: bool = False

    def top(self, rows: Sequence[Row]) -> float:
        """The best value of all rows; not a number, which equals nothing, where there is no best."""
        values = [self.value(row) for row in rows if math.isfinite(self.value(row))] if self.best else []
        return max(values, default=math.nan)


def quality(results: Results) -> list[Column]:
    """How well models recommend."""
    return [*(_metric(name) for name in QUOTED), _spread(), against(results)]


def few(results: Results) -> list[Column]:
    """The same on items with few training events, where there are such."""
    if not results.few_rival:
        return []
    quality = _metric(METRIC, "long-tail ", _few)
    return [quality, _against("long-tail", results.few_rival, _few)] if results.few_compares else [quality]


def _whole(row: Row) -> Part:
    return row.whole


def _few(row: Row) -> Part:
    return row.few


def _metric(name: str, kind: str = "", part: Callable[[Row], Part] = _whole) -> Column:
    def text(row: Row) -> str:
        if name not in part(row).metrics:
            return DASH
        found = part(row).metrics[name]
        return f"{percent(found.mean)} ± {percent(found.high - found.mean)}"

    about = "in %, ± half the width of its 95 % interval over users"
    extra = name.endswith("@5")
    return Column(f"{kind}{name}", lambda row: part(row).value(name), text, about, best=True, extra=extra)


def _spread() -> Column:
    return Column(
        "sd of seeds",
        lambda row: row.spread(METRIC),
        lambda row: percent(row.spread(METRIC)),
        f"standard deviation of {METRIC} over seeds, in points",
        extra=True,
    )


def against(results: Results) -> Column:
    """The difference to the best baseline, over all users."""
    return _against(METRIC, results.rival, _whole)


def _against(title: str, rival: str, part: Callable[[Row], Part]) -> Column:
    def value(row: Row) -> float:
        found = part(row).against
        return math.nan if found is None else found.interval.difference

    def text(row: Row) -> str:
        if row.model == rival and row.role == "baseline":
            return "best baseline"
        against = part(row).against
        if against is None:
            return DASH
        found = against.interval
        interval = f"[{signed(found.low)}, {signed(found.high)}]"
        return f"{signed(found.difference)} {interval} {MARKS[found.verdict]}"

    return Column(
        f"{title} vs {rival}",
        value,
        text,
        f"{METRIC} less that of {rival}, the best baseline: the same users, pair by pair; 95 % "
        "interval, in points",
    )


def cost(results: Results) -> list[Column]:
    """What training took."""
    on_device = any(c.device_memory is not None for row in results.rows for c in row.costs())
    return [
        _cost("s/epoch", average, lambda c: c.seconds_per_epoch, "seconds of training an epoch"),
        _cost(
            "best epoch", average, lambda c: c.best_epoch, "epochs until the best on validation", extra=True
        ),
        _cost("min/run", average, lambda c: c.seconds / 60, "minutes of training, all epochs of a run"),
        _cost("memory", most, lambda c: c.memory, "the most main memory that a run held", text=with_prefix),
        *([_DEVICE_MEMORY] if on_device else []),
        _cost("parameters", most, lambda c: c.parameters, "of the recommender", text=_count, extra=True),
    ]


def _cost(
    title: str,
    over_seeds: Callable[[Iterable[float | None]], float],
    pick: Callable[[Costs], float | None],
    about: str,
    *,
    text: Callable[[float], str] = short,
    extra: bool = False,
) -> Column:
    def value(row: Row) -> float:
        return over_seeds(pick(costs) for costs in row.costs())

    return Column(title, value, lambda row: text(value(row)), about, extra=extra)


def _count(number: float) -> str:
    return with_prefix(number, unit="")


_DEVICE_MEMORY = _cost(
    "device memory",
    most,
    lambda c: c.device_memory,
    "the most that tensors took on the accelerator",
    text=with_prefix,
)


def published(results: Results) -> list[Column]:
    """A column for what papers report, where a recipe says so."""
    if not any(row.published for row in results.rows):
        return []

    def value(row: Row) -> float:
        return row.published.get(METRIC, math.nan)

    about = "what the paper of the recipe reports, in %, on the data set named: no other compares"
    return [Column("published", value, published_words, about)]


def published_words(row: Row) -> str:
    figures = [f"{name} {value:.2f}" for name, value in row.published.items() if name != "data"]
    return f"{', '.join(figures)} ({row.published['data']})" if row.published else DASH


def columns(results: Results) -> list[Column]:
    """All of them, in order."""
    return [*quality(results), *few(results), *cost(results), *published(results)]
