"""Items similar to those of the history, its latest events above all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Self, final

import numpy as np
from scipy.sparse import csr_array

from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.baselines.events import FlatEvents
from pixelrec.baselines.item_similarity import CooccurrenceEvents, similarity
from pixelrec.batch import Histories

REACHES = (5.0, 20.0, inf)
HALF_LIVES = (0.5, 1.0, 2.0, 4.0, 16.0)
SHRINKAGE = 10.0
FAINT = 1e-12  # weights below it are left out: no rank depends on them
_KEPT = 50_000_000  # similarities: 600 MB


@final
@dataclass(frozen=True)
class ItemKNN(AbstractBaseline):
    """An item's score is the sum of its similarities to the history, decaying with age (Sarwar et al. 2001).

    Items are similar if the same users have them within about `reach` time steps, as defined in
    `item_similarity`. Each item keeps as many neighbours as memory allows; in a small catalogue that is all.
    An event of the history weighs 0.5 ** (age / half_life). Ages and distances count the user's time steps.
    """

    similarity: csr_array  # float64[N + 1, N + 1]: row i: similarities of all items to item i
    half_life: float
    reach: float

    @classmethod
    def fit(
        cls,
        histories: Histories,
        items: int,
        *,
        half_life: float = 1.0,
        reach: float = 20.0,
        shrinkage: float = SHRINKAGE,
        neighbours: int | None = None,
    ) -> Self:
        """neighbours: kept per item; by default as many as memory allows."""
        most = max(1, _KEPT // (items + 1)) if neighbours is None else neighbours
        found = similarity(
            CooccurrenceEvents.of(histories), items, reach=reach, shrinkage=shrinkage, neighbours=most
        )
        return cls(found, half_life, reach)

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        for reach in REACHES:
            fitted = cls.fit(histories, items, reach=reach)
            for half_life in HALF_LIVES:
                yield cls(fitted.similarity, half_life, reach)

    @property
    def choice(self) -> str:
        reach = "any distance" if self.reach == inf else f"reach {self.reach:g}"
        return f"half-life {self.half_life:g}, {reach}"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        events = FlatEvents.of(histories, users)
        weights = 0.5 ** (events.ages() / self.half_life)
        weights[weights < FAINT] = 0.0
        shown = events.matrix(self.similarity.shape[0] - 1, weights)
        shown.eliminate_zeros()
        return (shown @ self.similarity).toarray()
