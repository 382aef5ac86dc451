"""The users in whose lists items are looked up: those of a data set, all of them or some drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.batch import Histories
from pixelrec.data.views import seen_items
from pixelrec.runs.histories import Requests
from pixelrec.runs.recommend import RecommendationService

MOST = 2000  # users, unless another number is asked for


@final
@dataclass(frozen=True)
class Block:
    """Some users, with all their events, oldest first."""

    users: np.ndarray  # int64[B]: numbers in the data set
    requests: Requests
    hidden: Tensor  # items of their histories, flat
    owners: Tensor  # whose, 0 … B − 1

    @property
    def asked(self) -> tuple[Histories, np.ndarray, np.ndarray]:
        """The first arguments of a ranker: histories, rows, user numbers."""
        return self.requests.histories, np.arange(1, len(self.users) + 1), self.requests.users

    def have(self, item: int) -> np.ndarray:
        """bool[B]: the item is in the history."""
        found = np.zeros(len(self.users), bool)
        found[self.owners[self.hidden == item].numpy()] = True
        return found

    def without(self, items: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What is hidden, and further items for everybody; and the owners."""
        count, more = len(self.users), torch.tensor(list(items), dtype=torch.int64)
        owners = torch.arange(count).repeat_interleave(len(more))
        return torch.cat([self.hidden, more.repeat(count)]), torch.cat([self.owners, owners])


@final
@dataclass(frozen=True, eq=False)
class Audience:
    """Users of the data set of a service, in the order of their numbers."""

    service: RecommendationService
    users: np.ndarray  # int64[U]: numbers in the data set, ascending

    @classmethod
    def of(cls, service: RecommendationService, most: int | None = MOST, seed: int = 0) -> Self:
        """All users, or `most` of them drawn with a seed: the same ones for every run on the same data.

        Raises `RequestError` where the service has no users, or the model knows others.
        """
        count = service.user_events().dataset.users
        if most is None or most >= count:
            return cls(service, np.arange(1, count + 1))
        drawn = np.random.default_rng(seed).choice(count, most, replace=False)
        return cls(service, np.sort(drawn) + 1)

    def __len__(self) -> int:
        return len(self.users)

    @property
    def ids(self) -> pl.Series:
        """String[U]."""
        return self.service.user_events().dataset.user_ids.gather(self.users - 1)

    def blocks(self) -> Iterator[Block]:
        """The users, some at a time: memory does not grow with their number.

        Those without any known event are left out, unless the model has a vector for each user.
        """
        events, at_once = self.service.user_events(), self.service.ranker.at_once
        for start in range(0, len(self.users), at_once):
            users = self.users[start : start + at_once]
            requests = events.requests(users, ())
            if not self.service.ranker.needs_known_user and requests.empty.any():
                users = users[~requests.empty]
                requests = events.requests(users, ())
            if len(users):
                seen = seen_items(requests.histories, np.arange(1, len(users) + 1))
                yield Block(users, requests, *seen)
