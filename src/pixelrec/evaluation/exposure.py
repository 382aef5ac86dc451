"""How a model spreads its recommendations over the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.batch import Events
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import latest, seen_items
from pixelrec.evaluation.baselines import sample
from pixelrec.evaluation.comparison import LISTED
from pixelrec.evaluation.evaluate import FEW_USERS, USERS
from pixelrec.recommender import Catalogue, Recommender

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


def exposure(
    recommender: Recommender, catalogue: Catalogue, cases: EvaluationCases, item_ids: Sequence[str]
) -> Exposure:
    """From the lists of all users of `cases`, or of 10,000 drawn with a fixed seed. item_ids: N."""
    users, lists = sample(cases).users, []
    block = FEW_USERS if recommender.users.looks_at_candidates else USERS
    for start in range(0, len(users), block):
        lists.append(top_items(recommender, catalogue, cases, users[start : start + block]))
    return Exposure.of(np.concatenate(lists), item_ids)


def top_items(
    recommender: Recommender, catalogue: Catalogue, cases: EvaluationCases, users: np.ndarray
) -> np.ndarray:
    """The ten best items for the histories that `users` have in `cases`: int64[B, k], 0 for none left."""
    history, times = latest(cases.histories, users, recommender.spec.length)
    events = Events.of_numbers(users, history, times, recommender.device)
    _, best = recommender.recommend(catalogue, events, *seen_items(cases.histories, users), LISTED)
    found: np.ndarray = best.cpu().numpy()
    return found
