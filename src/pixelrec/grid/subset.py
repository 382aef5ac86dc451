"""Metrics of models on a subset of the evaluated users, beside the baseline that is best on that subset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, final

import numpy as np

from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Mean, mean, paired

MIN_USERS = 2  # for a mean with an interval


@final
@dataclass(frozen=True)
class SubsetResult:
    """A model's metrics on a subset, in fractions; empty while no seed is done."""

    metrics: Mapping[str, Mean] = field(default_factory=dict)
    against: Comparison | None = None  # the best baseline; None for baselines and for too few users

    def value(self, metric: str) -> float:
        """A metric's mean; NaN if there is none."""
        return self.metrics[metric].mean if metric in self.metrics else math.nan


@final
@dataclass(frozen=True)
class SubsetComparison:
    """Some of Q cases, and the best baseline on them."""

    inside: np.ndarray  # bool[Q]
    best: str  # baseline, by METRIC
    gains: np.ndarray  # its METRIC on each case inside
    compares: bool  # whether the cases are enough to compare models on

    @classmethod
    def of(
        cls, baselines: Mapping[str, np.ndarray], inside: np.ndarray, min_cases: int = MIN_USERS
    ) -> Self | None:
        """None for fewer than two cases. baselines: ranks by name, int64[Q]."""
        count = int(inside.sum())
        if count < MIN_USERS:
            return None
        gains = {name: per_user(ranks[inside])[METRIC] for name, ranks in baselines.items()}
        best = max(gains, key=lambda name: float(gains[name].mean()))
        return cls(inside, best, gains[best], count >= min_cases)

    def result(self, seeds: Sequence[np.ndarray], *, compare: bool) -> SubsetResult:
        """Seeds are averaged per user first. seeds: ranks of each, int64[Q]."""
        if not seeds:
            return SubsetResult()
        found = [per_user(ranks[self.inside]) for ranks in seeds]
        values = {name: np.stack([one[name] for one in found]) for name in found[0]}
        against = (
            Comparison(self.best, paired(values[METRIC], self.gains)) if compare and self.compares else None
        )
        return SubsetResult({name: mean(some) for name, some in values.items()}, against)
