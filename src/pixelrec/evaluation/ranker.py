"""Ranking the catalogue for users, whatever computes the scores: what evaluation and recommending need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Events, Histories
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import latest, seen_items
from pixelrec.evaluation.comparison import LISTED
from pixelrec.evaluation.evaluate import FEW_USERS, USERS, rank_cases
from pixelrec.recommender import Catalogue, Recommender


class AbstractRanker(ABC):
    """Ranks candidates, at first all items, by the histories of users."""

    needs_known_user: str = ""  # the name of a user model with a vector for each user; empty if there is none
    at_once: int = USERS  # users

    @abstractmethod
    def rank(self, cases: EvaluationCases) -> np.ndarray:
        """The rank of each case's target among all items that the user has not seen: int64[Q]."""

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

    def top_items(self, cases: EvaluationCases, users: np.ndarray) -> np.ndarray:
        """The ten best items for the histories that `users` have in `cases`: int64[B, k], 0 for none left."""
        lists = []
        for start in range(0, len(users), self.at_once):
            some = users[start : start + self.at_once]
            hidden = seen_items(cases.histories, some)
            lists.append(self.best(cases.histories, some, some, *hidden, LISTED)[1])
        return np.concatenate(lists)


@final
@dataclass(frozen=True)
class TrainedRanker(AbstractRanker):
    """A trained recommender and the catalogue that it has encoded."""

    recommender: Recommender
    catalogue: Catalogue

    @cached_property
    def needs_known_user(self) -> str:  # type: ignore[override]
        users = self.recommender.users.needs_known_user
        return str(self.recommender.recipe["users"]["name"]) if users else ""

    @cached_property
    def at_once(self) -> int:  # type: ignore[override]
        return FEW_USERS if self.recommender.users.looks_at_candidates else USERS

    def rank(self, cases: EvaluationCases) -> np.ndarray:
        return rank_cases(self.recommender, cases, self.catalogue)

    def among(self, items: np.ndarray) -> Self:
        vectors = self.catalogue.candidates[torch.from_numpy(items).to(self.catalogue.candidates.device)]
        return replace(self, catalogue=replace(self.catalogue, candidates=vectors))

    def events(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> Events:
        history, times = latest(histories, rows, self.recommender.spec.length)
        return Events.of_numbers(users, history, times, self.recommender.device)

    def best(
        self,
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        events = self.events(histories, rows, users)
        scores, items = self.recommender.recommend(self.catalogue, events, hidden, owners, k)
        return scores.cpu().numpy(), items.cpu().numpy()

    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Scores of all candidates, float64[B, N + 1]; arguments as of `best`."""
        with torch.no_grad():
            return self._scores(self.events(histories, rows, users))

    def _scores(self, events: Events) -> np.ndarray:
        vectors = self.recommender.vectors(self.catalogue, events)
        if self.recommender.users.looks_at_candidates:
            found = self.recommender.scores(self.catalogue, vectors)
        else:
            found = vectors.double() @ self.catalogue.candidates.double().T
        scores: np.ndarray = found.double().cpu().numpy()
        return scores
