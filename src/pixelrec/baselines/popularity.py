"""The items with the most events, the same for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.batch import Histories
from pixelrec.data.sampling import item_counts


@final
@dataclass(frozen=True)
class Popularity(AbstractBaseline):
    """An item's score is the number of its training events."""

    counts: np.ndarray  # float64[N + 1]

    @classmethod
    def fit(cls, histories: Histories, items: int) -> Self:
        return cls(item_counts(histories, items).astype(np.float64))

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        yield cls.fit(histories, items)

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return np.tile(self.counts, (len(users), 1))
