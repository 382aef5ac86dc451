"""Questions on which models meet, and what each reaches there beside the best baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, final

import numpy as np

from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Mean, mean, paired

LEAST = 2  # questions that a mean with an interval needs


@final
@dataclass(frozen=True)
class Part:
    """What a model reaches on the questions of a contest.

    Args:
        metrics: in fractions; empty while no seed is done.
        against: the best baseline; none for baselines, and for too few questions.
    """

    metrics: Mapping[str, Mean] = field(default_factory=dict)
    against: Comparison | None = None

    def value(self, metric: str) -> float:
        """A metric's mean; not a number while there is none."""
        return self.metrics[metric].mean if metric in self.metrics else math.nan


@final
@dataclass(frozen=True)
class Contest:
    """Some of Q questions, and the baseline that is best on them.

    Args:
        inside: bool[Q], which of them.
        rival: the best baseline by METRIC.
        values: its METRIC on each, float64[those inside].
        compares: whether they are enough to compare models by.
    """

    inside: np.ndarray
    rival: str
    values: np.ndarray
    compares: bool

    @classmethod
    def of(cls, baselines: Mapping[str, np.ndarray], inside: np.ndarray, fewest: int = LEAST) -> Self | None:
        """None for fewer than two questions; nobody is compared on less than `fewest`.

        baselines: int64[Q] ranks by name.
        """
        count = int(inside.sum())
        if count < LEAST:
            return None
        values = {name: per_user(ranks[inside])[METRIC] for name, ranks in baselines.items()}
        best = max(values, key=lambda name: float(values[name].mean()))
        return cls(inside, best, values[best], count >= fewest)

    def baseline(self, ranks: np.ndarray) -> Part:
        """ranks: int64[Q]."""
        return Part(self._means([ranks]))

    def recipe(self, ranks: Sequence[np.ndarray]) -> Part:
        """Seeds are averaged per user first. ranks: int64[Q] of every seed that is done."""
        if not ranks:
            return Part()
        if not self.compares:
            return Part(self._means(ranks))
        ours = np.stack([per_user(one[self.inside])[METRIC] for one in ranks])
        found = Comparison(self.rival, paired(ours, self.values))
        return Part(self._means(ranks), found)

    def _means(self, ranks: Sequence[np.ndarray]) -> dict[str, Mean]:
        found = [per_user(one[self.inside]) for one in ranks]
        return {name: mean(np.stack([one[name] for one in found])) for name in found[0]}
