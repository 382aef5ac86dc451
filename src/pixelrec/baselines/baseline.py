"""The interface of a baseline, and the lowest one: a random order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from pixelrec.batch import Histories


class AbstractBaseline(ABC):
    """Scores all items for users from events: counted or solved in closed form, never trained."""

    @classmethod
    def obstacle(cls, items: int) -> str | None:  # noqa: ARG003 - counts fit any catalogue
        """Why it cannot be fitted to a catalogue of N `items`, in a few words; None if it can."""
        return None

    @property
    def choice(self) -> str:
        """Its hyperparameters in a few words; empty if it has none."""
        return ""

    @abstractmethod
    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        """Scores of all items for each of B users, given their `histories`: float64[B, N + 1].

        Column 0 is padding and has no meaning. A user's scores do not depend on the other users.
        """


class AbstractEventBaseline(AbstractBaseline):
    """Built by its own `fit(histories, items, *, <hyperparameters>)` from training events alone."""

    @classmethod
    @abstractmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        """One fitted to training events of N `items` for each point of its grid; common work is done once."""


class AbstractFeatureBaseline(AbstractBaseline):
    """Built from training events and from feature vectors of the items."""

    @classmethod
    @abstractmethod
    def candidates(cls, histories: Histories, items: int, vectors: np.ndarray) -> Iterator[Self]:
        """As of an event baseline; vectors are float32[N + 1, W], zero for padding and items without any."""


@final
@dataclass(frozen=True)
class RandomOrder(AbstractEventBaseline):
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
