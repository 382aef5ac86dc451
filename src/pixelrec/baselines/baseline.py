"""The interface of a baseline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np

from pixelrec.batch import Histories


class AbstractBaseline(ABC):
    """Scores all items for users from events: counted or solved in closed form, never trained.

    Each is built by its own `fit(histories, items, *, <hyperparameters>)` from training events alone.
    """

    @classmethod
    @abstractmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        """One fitted to training events for each point of its hyperparameter grid; common work is done once.

        histories: training events. items: N.
        """

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
