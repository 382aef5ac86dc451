"""Ranking the catalogue for users, whatever computes the scores: what evaluation and recommending need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Histories
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import seen_items
from pixelrec.evaluation.comparison import LISTED
from pixelrec.evaluation.ranks import count_dense_ranks
from pixelrec.numerics.top_k import dense_top_k

USERS = 1024  # at a time, at most
_SCORES = 12_000_000  # at a time, where all are held: about 100 MB


class AbstractRanker(ABC):
    """Ranks candidates, at first all items, by the histories of users."""

    needs_known_user: str = ""  # the name of a user model with a vector for each user; empty if there is none
    looks_at_histories: bool = True  # else scores depend on the user's vector only
    at_once: int = USERS  # users
    warning: str | None = None  # why ranks may be arbitrary

    @abstractmethod
    def ranks(self, histories: Histories, users: np.ndarray, targets: Tensor) -> Tensor:
        """The rank of each target among all items that its user has not seen: int64[B].

        users: at most `at_once`, int64[B]. targets: item numbers, int64[B].
        """

    @abstractmethod
    def ranks_of(
        self,
        items: Sequence[int],
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        rivals: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ranks, int64[B, T], and scores, float64[B, T], of the same T items for some histories.

        Each is ranked among the items that are not hidden, a tie against it, as in evaluation; a hidden one
        has the last rank. Other arguments as of `best`.

        Args:
            items: item numbers.
            rivals: each item is ranked beside items 1 … rivals only; by default beside all.
        """

    @abstractmethod
    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Scores of all items, float64[B, N + 1]; arguments as of `best`."""

    @abstractmethod
    def among(self, items: np.ndarray) -> Self:
        """With these candidates only: item numbers, ascending, 0 first."""

    @abstractmethod
    def best(
        self,
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores and places among the candidates of the best k for some histories, best first: each B, k.

        −inf and 0 if fewer are left.

        Args:
            histories: of any length.
            rows: those of `histories` that count: int64[B].
            users: their numbers in training, or 0: int64[B].
            hidden: flat places of candidates that are left out.
            owners: the history (0 … B − 1) that each belongs to.
            k: how many.
        """

    def rank(self, cases: EvaluationCases) -> np.ndarray:
        """The rank of each case's target among all items that the user has not seen: int64[Q].

        Memory grows with neither users × items nor the number of cases.
        """
        ranks = np.empty(len(cases), np.int64)
        for start in range(0, len(ranks), self.at_once):
            block = slice(start, start + self.at_once)
            targets = torch.from_numpy(cases.targets[block])
            ranks[block] = self.ranks(cases.histories, cases.users[block], targets).cpu().numpy()
        return ranks

    def top_items(self, cases: EvaluationCases, users: np.ndarray) -> np.ndarray:
        """The ten best items for the histories that `users` have in `cases`: int64[B, k], 0 for none left."""
        lists = []
        for start in range(0, len(users), self.at_once):
            some = users[start : start + self.at_once]
            hidden = seen_items(cases.histories, some)
            lists.append(self.best(cases.histories, some, some, *hidden, LISTED)[1])
        return np.concatenate(lists)


class AbstractDenseRanker(AbstractRanker):
    """Ranks by `scores`, which are float64: those that differ by no more than rounding tie."""

    chosen: np.ndarray | None  # item numbers of the candidates, 0 first; none: all items

    def ranks(self, histories: Histories, users: np.ndarray, targets: Tensor) -> Tensor:
        scores = torch.from_numpy(self.scores(histories, users, users))
        return count_dense_ranks(scores, targets, *seen_items(histories, users))

    def ranks_of(
        self,
        items: Sequence[int],
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        rivals: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        scores = torch.from_numpy(self.scores(histories, rows, users))
        assert rivals in (None, scores.shape[1] - 1), "only a trained recommender has added items"
        found = [count_dense_ranks(scores, torch.full((len(rows),), n), hidden, owners) for n in items]
        return torch.stack(found, 1).numpy(), scores[:, list(items)].numpy()

    def best(
        self,
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        scores = torch.from_numpy(self.scores(histories, rows, users))
        if self.chosen is not None:
            scores = scores[:, torch.from_numpy(self.chosen)]
        found, places = dense_top_k(scores, min(k, scores.shape[1] - 1), hidden, owners)
        return found.float().numpy(), places.numpy()


def users_at_once(items: int, models: int = 1) -> int:
    """Users whose scores of N `items` by some models are held together."""
    return min(USERS, max(1, _SCORES // (models * (items + 1))))
