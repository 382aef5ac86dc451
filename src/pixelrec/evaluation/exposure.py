"""How a model spreads its recommendations over the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.data.split import EvaluationCases
from pixelrec.evaluation.baselines import sample
from pixelrec.evaluation.ranker import AbstractRanker

MOST = 10  # items that are named


@final
@dataclass(frozen=True)
class Exposure:
    """Lists of ten items for each of some users."""

    users: int
    shown: int  # items in at least one list
    items: int  # N
    gini: float  # of the number of lists an item is in: 0 if all are in equally many, towards 1 if few are
    most: tuple[tuple[str, int], ...]  # item id, number of lists: the ten most recommended

    @classmethod
    def of(cls, listed: np.ndarray, item_ids: Sequence[str]) -> Self:
        """listed: int64[users, k] item numbers, 0 where fewer are left. item_ids: N."""
        counts = np.bincount(listed.ravel(), minlength=len(item_ids) + 1)[1:]
        most = np.argsort(-counts, kind="stable")[:MOST]
        return cls(
            len(listed),
            int((counts > 0).sum()),
            len(item_ids),
            gini(counts),
            tuple((item_ids[number], int(counts[number])) for number in most if counts[number]),
        )


def gini(counts: np.ndarray) -> float:
    """The Gini coefficient of non-negative numbers: 0 if all are equal, (n − 1) / n if one holds all."""
    n, total = len(counts), int(counts.sum())
    if not total:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(counts)) / (n * total)


def exposure(ranker: AbstractRanker, cases: EvaluationCases, item_ids: Sequence[str]) -> Exposure:
    """From the lists of all users of `cases`, or of 10,000 drawn with a fixed seed. item_ids: N."""
    return Exposure.of(ranker.top_items(cases, sample(cases).users), item_ids)
