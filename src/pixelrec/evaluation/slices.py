"""Test events by how often their item was seen in training, and what models reach on each kind.

Pictures are to help where an item has few events of its own: a mean over all test events hides that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import final

import numpy as np

from pixelrec.evaluation.comparison import Comparison, best_first, compare
from pixelrec.evaluation.metrics import metrics

FEW = 5  # training events from which an item does not count as one with few
FEWEST = 30  # questions below which a slice compares nothing: intervals are normal approximations


@final
@dataclass(frozen=True)
class Slice:
    """Questions whose item has `least` training events or more, and fewer than `below`."""

    name: str
    events: str  # the same in words, such as "< 5 training events"
    least: int
    below: float

    def holds(self, counts: np.ndarray) -> np.ndarray:
        """Which questions are in it, bool[Q]; counts: int64[Q], training events of each question's item."""
        return (counts >= self.least) & (counts < self.below)


LONG_TAIL = Slice("long-tail items", f"< {FEW} training events", 0, FEW)
OTHERS = Slice("other items", f"≥ {FEW} training events", FEW, inf)
SLICES = (LONG_TAIL, OTHERS)


@final
@dataclass(frozen=True)
class Sliced:
    """What a trained model and its baselines reach on the questions of a slice."""

    name: str
    events: str  # "< 5 training events"
    cases: int
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    comparison: Comparison | None  # with the baseline that is best on this slice; none for too few questions

    @property
    def where(self) -> str:
        """For a sentence or the head of a column."""
        return words(self.events, self.cases)

    def ordered(self, others: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """Models, and perhaps others, from the best to the worst by NDCG@10 on this slice."""
        return best_first({**(others or {}), **self.metrics})


def words(events: str, cases: int) -> str:
    """ "< 5 training events", 1234 → "items with < 5 training events (n = 1,234)"."""
    return f"items with {events} (n = {cases:,})"


def slice_metrics(model: str, ranks: Mapping[str, np.ndarray], counts: np.ndarray) -> tuple[Sliced, ...]:
    """Metrics of every model on every slice, the one with few events first; an empty slice is left out.

    model: whose name in `ranks` is the trained one's; all others are baselines.
    ranks' values: int64[Q], of the same questions; counts: int64[Q], training events of each question's item.
    """
    inside = {part: part.holds(counts) for part in SLICES}
    return tuple(
        _sliced(part, model, {name: some[mask] for name, some in ranks.items()})
        for part, mask in inside.items()
        if mask.any()
    )


def _sliced(part: Slice, model: str, ranks: Mapping[str, np.ndarray]) -> Sliced:
    cases = len(ranks[model])
    baseline_ranks = {name: some for name, some in ranks.items() if name != model}
    against = compare(ranks[model], baseline_ranks) if cases >= FEWEST else None
    found = {name: metrics(some) for name, some in ranks.items()}
    return Sliced(part.name, part.events, cases, found, against)
