"""A trained model against the best baseline on the same users: the difference, a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from pixelrec.console.numbers import plural, signed
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import EXACT, Interval, Verdict, paired

METRIC = "NDCG@10"  # models are chosen, ordered and compared by it


@final
@dataclass(frozen=True)
class Comparison:
    """NDCG@10 of a model minus that of the best baseline, in fractions."""

    baseline: str
    interval: Interval

    @property
    def verdict(self) -> Verdict:
        return self.interval.verdict

    def sentence(self, model: str, where: str = "") -> str:
        """The verdict in words and percentage points; `where` names the items, empty for all."""
        best = f"{self.baseline}, the best baseline{' there' if where else ''}"
        return verdict_sentence(model, best, self.interval, where)


def verdict_sentence(first: str, second: str, found: Interval, where: str = "") -> str:
    """The verdict on the first model beside the second in words and percentage points.

    where: the items concerned, such as "items with < 5 training events (n = 123)"; empty for all.
    """
    place = {"ahead": "ahead of", "level": "not clearly apart from", "behind": "behind"}[found.verdict]
    return (
        f"{f'On {where}, ' if where else ''}{first} is {place} {second}: {METRIC} {signed(found.difference)} "
        f"points (95 % interval {signed(found.low)} to {signed(found.high)}{few_deciding(found, '; ')})"
    )


def few_deciding(found: Interval, before: str = "") -> str:
    """As in "only 4 users decide this, p = 0.12" where few users differ, after `before`; else empty."""
    if not 0 < found.deciding <= EXACT:
        return ""
    verb = "decides" if found.deciding == 1 else "decide"
    return f"{before}only {plural(found.deciding, 'user')} {verb} this, p = {found.p:.2g}"


def compare_with_baselines(ranks: np.ndarray, baseline_ranks: Mapping[str, np.ndarray]) -> Comparison | None:
    """The model with these ranks against the baseline with the highest NDCG@10; None for a single user.

    ranks and the values of baseline_ranks: int64[Q], of the same cases in the same order.
    """
    if len(ranks) < 2 or not baseline_ranks:
        return None
    gains = {name: per_user(theirs, cutoffs=(10,))[METRIC] for name, theirs in baseline_ranks.items()}
    best = max(gains, key=lambda name: float(gains[name].mean()))
    return Comparison(best, paired(per_user(ranks, cutoffs=(10,))[METRIC], gains[best]))


def best_first(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Models from the best to the worst by NDCG@10; equal ones keep their order."""
    return sorted(metrics, key=lambda name: -metrics[name][METRIC])
