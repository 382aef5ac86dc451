"""The events of some users as flat arrays, for counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from scipy.sparse import coo_array, csr_array

from pixelrec.batch import Histories
from pixelrec.data.views import places_of


@final
@dataclass(frozen=True)
class FlatEvents:
    """E events of B users, user after user, in the order of time."""

    owners: np.ndarray  # int64[E]: index of the user among the B
    items: np.ndarray  # int64[E]
    times: np.ndarray  # int64[E]
    users: int  # B

    @classmethod
    def of(cls, histories: Histories, users: np.ndarray) -> Self:
        """All events of `users` (B)."""
        owners, places = places_of(histories, users)
        return cls(owners, histories.items[places].astype(np.int64), histories.times[places], len(users))

    @classmethod
    def all(cls, histories: Histories) -> Self:
        """All events of everyone; the owners are user numbers."""
        return cls.of(histories, np.arange(len(histories.starts)))

    def latest_of_each_item(self) -> Self:
        """Without the events that the same user repeated later."""
        pairs = self.owners * (self.items.max(initial=0) + 1) + self.items
        _, from_the_end = np.unique(pairs[::-1], return_index=True)
        kept = np.sort(len(pairs) - 1 - from_the_end)
        return type(self)(self.owners[kept], self.items[kept], self.times[kept], self.users)

    def lengths(self) -> np.ndarray:
        """Events of each user: int64[B]."""
        return np.bincount(self.owners, minlength=self.users)

    def time_steps(self) -> np.ndarray:
        """The time step of each event, numbered through all users: int64[E].

        Events of one user with the same time are one time step, as their order is unknown.
        """
        new = (self.owners[1:] != self.owners[:-1]) | (self.times[1:] != self.times[:-1])
        return np.cumsum(np.append(0, new))[: len(self.owners)]

    def ages(self) -> np.ndarray:
        """Moments between each event and its user's latest one: int64[E], 0 is the latest."""
        time_steps = self.time_steps()
        return time_steps[np.cumsum(self.lengths())[self.owners] - 1] - time_steps

    def matrix(self, items: int, weights: np.ndarray) -> csr_array:
        """Users by items, float64[B, N + 1]: the sum of the weights (E) of a user's events with an item."""
        shape = (self.users, items + 1)
        return coo_array((weights, (self.owners, self.items)), shape=shape).tocsr()

    def binary_matrix(self, items: int) -> csr_array:
        """Users by items, float64[B, N + 1]: 1 where the user has the item, however often."""
        once = self.latest_of_each_item()
        return once.matrix(items, np.ones(len(once.owners)))
