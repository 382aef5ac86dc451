"""Metrics on all items, and on slices of them by the training events of the target item.

Pictures matter most where an item has few events of its own, or none; a mean over all test events hides that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import final

import numpy as np

from pixelrec.evaluation.comparison import Comparison, best_first, compare_with_baselines
from pixelrec.evaluation.metrics import metrics, per_user
from pixelrec.evaluation.significance import mean

LONG_TAIL_BELOW = 5  # training events
MIN_CASES = 30  # fewer cases than this are too few to compare models on


@final
@dataclass(frozen=True)
class Slice:
    """Cases whose target has at least `least` training events and fewer than `below`."""

    name: str
    events: str  # the same in words, such as "< 5 training events"; empty for all
    least: int = 0
    below: float = inf
    min_cases: int = MIN_CASES  # to compare models on

    def holds(self, counts: np.ndarray) -> np.ndarray:
        """bool[Q]: which cases belong to it; counts: int64[Q], training events of each target."""
        return (counts >= self.least) & (counts < self.below)


ALL = Slice("all items", "", min_cases=2)
LONG_TAIL = Slice("long-tail items", f"< {LONG_TAIL_BELOW} training events", below=LONG_TAIL_BELOW)
NEW = Slice("new items", "no training event", below=1)  # they are long-tail items, too
OTHERS = Slice("other items", f"≥ {LONG_TAIL_BELOW} training events", least=LONG_TAIL_BELOW)
SLICES = (LONG_TAIL, NEW, OTHERS)


@final
@dataclass(frozen=True)
class SliceResult:
    """A trained model and its baselines on the cases of a slice. Models are in one order everywhere."""

    name: str
    events: str  # "< 5 training events"; empty for all
    cases: int
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]  # 95 %, over users; empty for a single case
    median_ranks: Mapping[str, float]  # by model
    comparison: Comparison | None  # with the baseline that is best here; None for too few cases

    @property
    def where(self) -> str:
        return slice_label(self.events, self.cases)

    def ordered(self, others: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """These models and `others` from the best to the worst by NDCG@10 on this slice."""
        return best_first({**(others or {}), **self.metrics})


def slice_label(events: str, cases: int) -> str:
    """("< 5 training events", 1234) → "items with < 5 training events (n = 1,234)"; empty for all."""
    return f"items with {events} (n = {cases:,})" if events else ""


def measure(
    part: Slice, model: str, ranks: Mapping[str, np.ndarray], counts: np.ndarray
) -> SliceResult | None:
    """Metrics of every model on a slice; None if it has no case.

    model: the trained model's name in `ranks`; all others are baselines.
    ranks: by name int64[Q], of the same cases; counts: int64[Q], training events of each target.
    """
    mask = part.holds(counts)
    if not (cases := int(mask.sum())):
        return None
    inside = {name: some[mask] for name, some in ranks.items()}
    baselines = {name: some for name, some in inside.items() if name != model}
    where, enough = slice_label(part.events, cases), cases >= part.min_cases
    return SliceResult(
        part.name,
        part.events,
        cases,
        {name: metrics(some) for name, some in inside.items()},
        {name: intervals(some) for name, some in inside.items()},
        {name: float(np.median(some)) for name, some in inside.items()},
        compare_with_baselines(inside[model], baselines, where) if enough else None,
    )


def intervals(ranks: np.ndarray) -> dict[str, tuple[float, float]]:
    """The 95 % interval of every metric over users; none for a single user."""
    if len(ranks) < 2:
        return {}
    found = {name: mean(values) for name, values in per_user(ranks).items()}
    return {name: (each.low, each.high) for name, each in found.items()}


def measure_slices(
    model: str, ranks: Mapping[str, np.ndarray], counts: np.ndarray
) -> tuple[SliceResult, ...]:
    """As `measure`, on every slice that has cases, long-tail items first."""
    found = (measure(part, model, ranks, counts) for part in SLICES)
    return tuple(part for part in found if part is not None)
