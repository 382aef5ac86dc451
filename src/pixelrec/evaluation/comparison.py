"""A model against another, the same users one by one: numbers, a verdict, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, final

import numpy as np

from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Interval, paired

METRIC = "NDCG@10"  # what models are chosen, ordered and compared by
Verdict = Literal["ahead", "level", "behind"]


class Apart(Protocol):
    """How far apart two models are in METRIC, in fractions, with the 95 % interval."""

    @property
    def difference(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


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
        return verdict(self)

    def sentence(self, model: str, where: str = "") -> str:
        """For people, in percentage points; `where` names the items, if it is not about all."""
        return sentence(model, f"{self.baseline}, the best baseline{' there' if where else ''}", self, where)


def verdict(found: Apart) -> Verdict:
    """`level` where the interval holds zero: other users might say otherwise."""
    if found.low > 0:
        return "ahead"
    return "behind" if found.high < 0 else "level"


def sentence(first: str, second: str, found: Apart, where: str = "") -> str:
    """How the first stands beside the second, in percentage points.

    where: which items it is about, such as "items with < 5 training events (n = 123)"; empty for all.
    """
    place = {"ahead": "ahead of", "level": "not clearly apart from", "behind": "behind"}[verdict(found)]
    low, high = points(found.low), points(found.high)
    return (
        f"{f'On {where}, ' if where else ''}{first} is {place} {second}: "
        f"{METRIC} {points(found.difference)} points (95 % interval {low} to {high})"
    )


def compare(ranks: np.ndarray, baseline_ranks: Mapping[str, np.ndarray]) -> Comparison | None:
    """The model with these ranks against the baseline with the highest NDCG@10; none for a single user.

    ranks, rivals' values: int64[Q], of the same questions in the same order.
    """
    if len(ranks) < 2 or not baseline_ranks:
        return None
    quality = {name: per_user(theirs, cutoffs=(10,))[METRIC] for name, theirs in baseline_ranks.items()}
    best = max(quality, key=lambda name: float(quality[name].mean()))
    found: Interval = paired(per_user(ranks, cutoffs=(10,))[METRIC], quality[best])
    return Comparison(best, found.difference, found.low, found.high)


def best_first(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Models from the best to the worst by NDCG@10; of equal ones the first comes first."""
    return sorted(metrics, key=lambda name: -metrics[name][METRIC])


def points(fraction: float) -> str:
    """A difference in percentage points: 0.0123 → "+1.23", with a true minus sign."""
    return f"{100 * fraction:+.2f}".replace("-", "−")
