"""Ranks and recommendations by a trained recommender; scores are compared in float64."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Events, Histories
from pixelrec.data.views import latest, seen_items
from pixelrec.evaluation.ranker import USERS, AbstractRanker
from pixelrec.evaluation.ranks import count_dense_ranks, count_ranks, largest_scores
from pixelrec.numerics.tiles import exact_dot
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.users.user_model import AbstractUserModel

FEW_USERS = 64  # at a time, where a model looks at every candidate
FP32 = 1e-5  # error of a network's fp32 score, relative to the largest of its row
_PAIRS = 4096  # of a user and an item, scored in float64 at a time


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

    @property
    def looks_at_histories(self) -> bool:  # type: ignore[override]
        return self.recommender.users.view != "pairs"

    @property
    def warning(self) -> str | None:  # type: ignore[override]
        return self.catalogue.alike

    @cached_property
    def at_once(self) -> int:  # type: ignore[override]
        return FEW_USERS if self.recommender.users.looks_at_candidates else USERS

    @cached_property
    def _exact(self) -> AbstractUserModel | None:
        """A float64 copy of a user model that looks at candidates."""
        users = self.recommender.users
        return deepcopy(users).double().eval() if users.looks_at_candidates else None

    def ranks(self, histories: Histories, users: np.ndarray, targets: Tensor) -> Tensor:
        vectors = self.vectors(histories, users, users)
        targets, seen = targets.to(vectors.device), seen_items(histories, users)
        return rank_targets(self.recommender, self.catalogue, vectors, targets, *seen, self._exact)

    @torch.no_grad()
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
        vectors, last = self.vectors(histories, rows, users), rivals or len(self.catalogue.candidates) - 1
        hidden, owners = hidden.to(vectors.device), owners.to(vectors.device)
        ranks, scores = [], []
        for item in items:
            catalogue, place = self._beside(item, last), min(item, last + 1)
            target = torch.full((len(vectors),), place, device=vectors.device)
            mine = torch.where(hidden == item, place, torch.where(hidden > last, 0, hidden))
            beside = catalogue, vectors, target, mine, owners, self._exact
            ranks.append(rank_targets(self.recommender, *beside))
            scores.append(self.compared(vectors, catalogue.candidates[place : place + 1])[:, 0])
        return torch.stack(ranks, 1).cpu().numpy(), torch.stack(scores, 1).cpu().numpy()

    def _beside(self, item: int, last: int) -> Catalogue:
        """Candidates 1 … last, and the item after them unless it is one of them."""
        candidates = self.catalogue.candidates
        if last == len(candidates) - 1:
            return self.catalogue
        parts = [candidates[: last + 1]] + ([candidates[item : item + 1]] if item > last else [])
        return replace(self.catalogue, candidates=torch.cat(parts))

    @torch.no_grad()
    def compared(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        """Exact scores of vectors (B, …) with a few candidates (n, D): float64[B, n]."""
        if self._exact is not None:
            return self._exact.score(vectors.double(), candidates.double())
        pairs = torch.cartesian_prod(*(torch.arange(len(x), device=x.device) for x in (vectors, candidates)))
        return exact_dot(vectors, candidates, *pairs.unbind(1)).view(len(vectors), len(candidates))

    def among(self, items: np.ndarray) -> Self:
        vectors = self.catalogue.candidates[torch.from_numpy(items).to(self.catalogue.candidates.device)]
        return replace(self, catalogue=replace(self.catalogue, candidates=vectors))

    def _events(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> Events:
        history, times = latest(histories, rows, self.recommender.spec.length)
        return Events.of_numbers(users, history, times, self.recommender.device)

    def vectors(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> Tensor:
        """Of users, B, D; arguments as of `best`."""
        return self.recommender.vectors(self.catalogue, self._events(histories, rows, users))

    def best(
        self,
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        events = self._events(histories, rows, users)
        scores, items = self.recommender.recommend(self.catalogue, events, hidden, owners, k)
        return scores.cpu().numpy(), items.cpu().numpy()

    @torch.no_grad()
    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        vectors = self.vectors(histories, rows, users)
        if self.recommender.users.looks_at_candidates:
            found = self.recommender.scores(self.catalogue, vectors)
        else:
            found = vectors.double() @ self.catalogue.candidates.double().T
        scores: np.ndarray = found.double().cpu().numpy()
        return scores


def rank_targets(
    recommender: Recommender,
    catalogue: Catalogue,
    vectors: Tensor,
    targets: Tensor,
    seen: Tensor,
    owners: Tensor,
    exact: AbstractUserModel | None = None,
) -> Tensor:
    """The rank of each user's target among all candidates that the user has not seen: int64[B].

    vectors: B, D, of `recommender.vectors`. targets: B. seen, owners: as in `count_ranks`.
    exact: a float64 copy of the user model, where it looks at candidates and is called often.
    """
    seen, owners = seen.to(vectors.device), owners.to(vectors.device)
    if not recommender.users.looks_at_candidates:
        return count_ranks(vectors, catalogue.candidates, targets, seen, owners)
    exact = exact or deepcopy(recommender.users).double().eval()
    scores = recommender.scores(catalogue, vectors)
    scores = rescore_near_ties(scores, targets, vectors, catalogue.candidates, exact)
    return count_dense_ranks(scores, targets, seen, owners)


@torch.no_grad()
def rescore_near_ties(
    scores: Tensor, targets: Tensor, vectors: Tensor, candidates: Tensor, exact: AbstractUserModel
) -> Tensor:
    """`scores` as float64[B, N + 1]; those that fp32 cannot tell from the target's are computed in float64.

    scores: fp32. vectors: what `score` needs of each user. candidates: N + 1, D. exact: a float64 copy.
    """
    doubt = FP32 * largest_scores(scores)[:, None]
    near = (scores - scores.gather(1, targets[:, None])).abs_() <= doubt
    near &= doubt > 0  # else all scores are 0: nothing to tell apart
    near[:, 0] = False
    scores, near_pairs = scores.double(), near.nonzero()
    if len(near_pairs) > near.numel() // 16:  # scores so alike that whole rows are cheaper
        return torch.cat([exact.score(vectors.double(), part.double()) for part in candidates.split(1024)], 1)
    for owner, item in (pairs.unbind(1) for pairs in near_pairs.split(_PAIRS)):
        found = exact.score(vectors[owner].double(), candidates[item].double().unsqueeze(1))
        scores[owner, item] = found.squeeze(1)
    return scores
