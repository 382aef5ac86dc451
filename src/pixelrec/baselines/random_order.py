"""A random order: the level of chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.batch import Histories


@final
@dataclass(frozen=True)
class RandomOrder(AbstractBaseline):
    """Every user gets an order of their own, drawn from `seed` and the user's number."""

    items: int
    seed: int

    @classmethod
    def fit(cls, histories: Histories, items: int, *, seed: int = 0) -> Self:  # noqa: ARG003
        return cls(items, seed)

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        yield cls.fit(histories, items)

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:  # noqa: ARG002
        drawn = np.empty((len(users), self.items + 1))
        for row, user in zip(drawn, users.tolist(), strict=True):
            np.random.default_rng([self.seed, user]).random(out=row)
        return drawn
