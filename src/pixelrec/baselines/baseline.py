"""What every baseline is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np

from pixelrec.batch import Histories


class AbstractBaseline(ABC):
    """Scores all items for users from what happened: counted or solved in closed form, never trained.

    Each is built by its own `fit(histories, items, *, <choices>)` from training events alone.
    """

    @classmethod
    @abstractmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        """Fits it to training events with each choice of its grid in turn; common work is done once.

        histories: the events to learn from. items: N.
        """

    @classmethod
    def obstacle(cls, items: int) -> str | None:  # noqa: ARG003 - what is counted fits any catalogue
        """Why it cannot be fitted to a catalogue of N `items`, in a few words; none where it can."""
        return None

    @property
    def choice(self) -> str:
        """What was chosen, in a few words; empty where there is nothing to choose."""
        return ""

    @abstractmethod
    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        """What each of B users, given just their `histories`, thinks of every item: float64[B, N + 1].

        Column 0 is no item and means nothing. The same whatever other users are asked beside.
        """
