"""A model against the best of its baselines, the same users one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Interval, paired

METRIC = "NDCG@10"  # what models are chosen, ordered and compared by
Verdict = Literal["ahead", "level", "behind"]


@final
@dataclass(frozen=True)
class Comparison:
    """What a model has more of NDCG@10 than the best baseline, in fractions, with its 95 % interval."""

    baseline: str
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """`level` where the interval holds zero: other users might say otherwise."""
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "level"

    def sentence(self, model: str) -> str:
        """For people, in percentage points."""
        place = {
            "ahead": f"{model} is ahead of {self.baseline}, the best baseline",
            "level": f"{model} is not clearly apart from {self.baseline}, the best baseline",
            "behind": f"{model} is behind {self.baseline}, the best baseline",
        }[self.verdict]
        low, high = _points(self.low), _points(self.high)
        return f"{place}: {METRIC} {_points(self.difference)} points (95 % interval {low} to {high})"


def compare(ranks: np.ndarray, rivals: Mapping[str, np.ndarray]) -> Comparison | None:
    """The model with these ranks against the baseline with the highest NDCG@10; none for a single user.

    ranks, rivals' values: int64[Q], of the same questions in the same order.
    """
    if len(ranks) < 2 or not rivals:
        return None
    quality = {name: per_user(theirs, cutoffs=(10,))[METRIC] for name, theirs in rivals.items()}
    best = max(quality, key=lambda name: float(quality[name].mean()))
    found: Interval = paired(per_user(ranks, cutoffs=(10,))[METRIC], quality[best])
    return Comparison(best, found.difference, found.low, found.high)


def _points(fraction: float) -> str:
    """0.0123 → "+1.23", with a true minus sign."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
