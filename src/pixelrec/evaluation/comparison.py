"""Two models on the same users: the difference, a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelrec.console.numbers import plural, signed
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import EXACT, Interval, Verdict, paired

METRIC = "NDCG@10"  # models are chosen, ordered and compared by it
LISTED = 10  # items of a list: a target with at most this rank is a hit
PLACES: Mapping[Verdict, str] = {
    "ahead": "ahead of",
    "level": "not significantly different from",
    "behind": "behind",
}


@final
@dataclass(frozen=True)
class Difference:
    """Metrics of one model minus those of another on the same cases, in fractions."""

    intervals: Mapping[str, Interval]  # by metric
    hits: tuple[float, float]  # cases whose target is among the first ten of each model; mean over seeds
    cases: int
    where: str = ""  # the items concerned, such as "items with < 5 training events (n = 123)"; empty for all

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike, where: str = "") -> Self:
        """From ranks in the same order, each int64[Q] or [seeds, Q]; `DataError` for fewer than two cases."""
        ours, theirs = seed_values(first), seed_values(second)
        intervals = {name: paired(ours[name], theirs[name]) for name in ours}
        hits = _hits(first), _hits(second)
        return cls(intervals, hits, np.shape(first)[-1], where)

    @property
    def interval(self) -> Interval:
        """Of NDCG@10, which the verdict is about."""
        return self.intervals[METRIC]

    @property
    def verdict(self) -> Verdict:
        return self.interval.verdict

    def sentence(self, first: str, second: str) -> str:
        """The verdict in words and percentage points, with these names of the models."""
        found = self.interval
        place = f"{first} is {PLACES[found.verdict]} {second}"
        few = few_deciding(found, "; ")
        bounds = f"95 % interval {signed(found.low)} to {signed(found.high)}{few}; {self._hits_behind()}"
        return (
            f"{f'On {self.where}, ' if self.where else ''}{place}: {METRIC} {signed(found.difference)} "
            f"points ({bounds})"
        )

    def _hits_behind(self) -> str:
        """As in "hits in the top 10: 13 of 460 against 3"."""
        first, second = (f"{count:,.1f}".removesuffix(".0") for count in self.hits)
        return f"hits in the top {LISTED}: {first} of {self.cases:,} against {second}"


@final
@dataclass(frozen=True)
class Comparison:
    """A model beside the best baseline."""

    baseline: str
    difference: Difference  # the model minus the baseline

    @property
    def interval(self) -> Interval:
        return self.difference.interval

    @property
    def verdict(self) -> Verdict:
        return self.difference.verdict

    def sentence(self, model: str) -> str:
        best = f"{self.baseline}, the best baseline{' there' if self.difference.where else ''}"
        return self.difference.sentence(model, best)


def seed_values(ranks: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Metrics of every user, float64[seeds, Q] by name, from ranks, int64[Q] or [seeds, Q]."""
    found = [per_user(each) for each in np.atleast_2d(np.asarray(ranks))]
    return {name: np.stack([one[name] for one in found]) for name in found[0]}


def _hits(ranks: ArrayLike) -> float:
    return float((np.atleast_2d(np.asarray(ranks)) <= LISTED).sum(axis=1).mean())


def few_deciding(found: Interval, before: str = "") -> str:
    """As in "only 4 users decide this, p = 0.12" where few users differ, after `before`; else empty."""
    if not 0 < found.deciding <= EXACT:
        return ""
    verb = "decides" if found.deciding == 1 else "decide"
    return f"{before}only {plural(found.deciding, 'user')} {verb} this, p = {found.p:.2g}"


def compare_with_baselines(
    ranks: np.ndarray, baseline_ranks: Mapping[str, np.ndarray], where: str = ""
) -> Comparison | None:
    """The model with these ranks against the baseline with the highest NDCG@10; None for a single user.

    ranks and the values of baseline_ranks: int64[Q], of the same cases in the same order.
    """
    if len(ranks) < 2 or not baseline_ranks:
        return None
    gains = {name: per_user(theirs, cutoffs=(10,))[METRIC] for name, theirs in baseline_ranks.items()}
    best = max(gains, key=lambda name: float(gains[name].mean()))
    return Comparison(best, Difference.of(ranks, baseline_ranks[best], where))


def best_first(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Models from the best to the worst by NDCG@10; equal ones keep their order."""
    return sorted(metrics, key=lambda name: -metrics[name][METRIC])


def repeats_note(repeats: int, cases: int, split: str) -> str:
    """The users that are left out of all figures, in a sentence; empty if there are none."""
    if not repeats:
        return ""
    return (
        f"{repeats:,} of {repeats + cases:,} users are left out: their {split} event repeats an item of "
        "their history, and items of the history are not recommended"
    )
