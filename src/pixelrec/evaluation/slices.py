"""Metrics on long-tail items and on all others, told apart by the training events of the target item.

Pictures matter most where an item has few events of its own; a mean over all test events hides that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import final

import numpy as np

from pixelrec.evaluation.comparison import Comparison, best_first, compare_with_baselines
from pixelrec.evaluation.metrics import metrics

LONG_TAIL_BELOW = 5  # training events
MIN_CASES = 30  # fewer cases than this are too few to compare models on


@final
@dataclass(frozen=True)
class Slice:
    """Cases whose target has at least `least` training events and fewer than `below`."""

    name: str
    events: str  # the same in words, such as "< 5 training events"
    least: int
    below: float

    def holds(self, counts: np.ndarray) -> np.ndarray:
        """bool[Q]: which cases belong to it; counts: int64[Q], training events of each target."""
        return (counts >= self.least) & (counts < self.below)


LONG_TAIL = Slice("long-tail items", f"< {LONG_TAIL_BELOW} training events", 0, LONG_TAIL_BELOW)
OTHERS = Slice("other items", f"≥ {LONG_TAIL_BELOW} training events", LONG_TAIL_BELOW, inf)
SLICES = (LONG_TAIL, OTHERS)


@final
@dataclass(frozen=True)
class SliceResult:
    """Metrics of a trained model and of its baselines on the cases of a slice."""

    name: str
    events: str  # "< 5 training events"
    cases: int
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    comparison: Comparison | None  # with the baseline that is best on this slice; None for too few cases

    @property
    def where(self) -> str:
        return slice_label(self.events, self.cases)

    def ordered(self, others: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """These models and `others` from the best to the worst by NDCG@10 on this slice."""
        return best_first({**(others or {}), **self.metrics})


def slice_label(events: str, cases: int) -> str:
    """("< 5 training events", 1234) → "items with < 5 training events (n = 1,234)"."""
    return f"items with {events} (n = {cases:,})"


def slice_metrics(model: str, ranks: Mapping[str, np.ndarray], counts: np.ndarray) -> tuple[SliceResult, ...]:
    """Metrics of every model on every slice, long-tail items first; an empty slice is left out.

    model: the trained model's name in `ranks`; all others are baselines.
    ranks: by name int64[Q], of the same cases; counts: int64[Q], training events of each target.
    """
    results = []
    for part in SLICES:
        inside = part.holds(counts)
        if cases := int(inside.sum()):
            found = {name: metrics(some[inside]) for name, some in ranks.items()}
            baselines = {name: some[inside] for name, some in ranks.items() if name != model}
            enough = cases >= MIN_CASES
            comparison = compare_with_baselines(ranks[model][inside], baselines) if enough else None
            results.append(SliceResult(part.name, part.events, cases, found, comparison))
    return tuple(results)
