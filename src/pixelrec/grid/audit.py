"""The audit of a recipe: its gain over the same recipe with the content of other items, or with noise.

Both matter. Shuffled content is misleading: items that look alike no longer are. Noise tells items apart as
their ids do, so a model may learn each of them by heart; it says nothing about items with few events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, final

import numpy as np

from pixelrec.choices import Control
from pixelrec.console.numbers import signed
from pixelrec.evaluation.comparison import METRIC, Difference, few_deciding, seed_values

CONTENT: Mapping[Control, str] = {"shuffled": "that of other items", "random": "noise"}


@final
@dataclass(frozen=True)
class Audit:
    differences: Mapping[Control, Difference]  # the recipe minus its control, by control
    baseline: str  # the best one that reads no content
    gain: float  # the recipe minus that baseline, METRIC
    long_tail: Mapping[Control, Difference] = field(default_factory=dict)  # empty for too few cases

    @classmethod
    def of(
        cls,
        ranks: np.ndarray,
        controls: Mapping[Control, np.ndarray],
        baselines: Mapping[str, np.ndarray],
        long_tail: np.ndarray | None,
    ) -> Self:
        """ranks: int64[seeds, Q]; of controls the same, and of baselines that read no content int64[Q].

        long_tail: bool[Q]; none if there are too few.
        """
        means = {name: float(seed_values(each)[METRIC].mean()) for name, each in baselines.items()}
        best = max(means, key=lambda name: means[name])
        gain = float(seed_values(ranks)[METRIC].mean()) - means[best]
        differences = {name: Difference.of(ranks, each) for name, each in controls.items()}
        if long_tail is None:
            return cls(differences, best, gain)
        tails = {
            name: Difference.of(ranks[:, long_tail], each[:, long_tail]) for name, each in controls.items()
        }
        return cls(differences, best, gain, tails)

    def sentence(self, recipe: str) -> str:
        """The verdict and the differences in points."""
        tail = f"; on long-tail items {_points(self.long_tail)}" if self.long_tail else ""
        return f"Audit of {recipe}: {self._verdict()}. {METRIC} {_points(self.differences)}{tail}."

    def _verdict(self) -> str:
        """Against the better of the controls."""
        control, found = min(self.differences.items(), key=lambda each: each[1].interval.difference)
        if found.verdict == "level":
            return f"no gain from item content is measurable, as {CONTENT[control]} does as well"
        if found.verdict == "behind":
            return f"item content does harm, as {CONTENT[control]} does better"
        if self.gain <= 0:
            return f"item content helps, but the recipe has no gain over {self.baseline}"
        share = found.interval.difference / self.gain
        much = "all" if share >= 1 else f"{100 * share:.0f} %"
        return f"{much} of its gain of {signed(self.gain)} points over {self.baseline} is due to item content"


def _points(differences: Mapping[Control, Difference]) -> str:
    """As in "+3.10 [+2.00, +4.20] against noise"."""
    found = []
    for control, each in differences.items():
        gap = each.interval
        interval = f"[{signed(gap.low)}, {signed(gap.high)}]{few_deciding(gap, ', ')}"
        found.append(f"{signed(gap.difference)} {interval} against {CONTENT[control]}")
    return " and ".join(found)
