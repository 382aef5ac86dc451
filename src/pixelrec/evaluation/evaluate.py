"""Ranks of evaluation cases with a trained recommender: the only loop over evaluated users."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Events
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import latest, seen_items
from pixelrec.evaluation.ranks import count_dense_ranks, count_ranks, largest_scores
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.users.user_model import AbstractUserModel

USERS = 1024  # at a time
FEW_USERS = 64  # at a time, where a model looks at every candidate
FP32 = 1e-5  # error of a network's fp32 score, relative to the largest of its row
_PAIRS = 4096  # of a user and an item, scored in float64 at a time


def rank_cases(
    recommender: Recommender, cases: EvaluationCases, catalogue: Catalogue | None = None
) -> np.ndarray:
    """The rank of each case's target among all items that the user has not seen: int64[Q].

    Scores are compared in float64, whatever computes them first. Memory grows with neither users × items
    nor the number of cases.

    catalogue: of the recommender, if already encoded.
    """
    catalogue = catalogue or recommender.catalogue()
    looks = recommender.users.looks_at_candidates
    exact = deepcopy(recommender.users).double().eval() if looks else None
    ranks = np.empty(len(cases.users), np.int64)
    block = FEW_USERS if looks else USERS
    for start in range(0, len(ranks), block):
        part = slice(start, start + block)
        users = cases.users[part]
        history, times = latest(cases.histories, users, recommender.spec.length)
        events = Events.of_numbers(users, history, times, recommender.device)
        vectors = recommender.vectors(catalogue, events)
        targets = torch.from_numpy(cases.targets[part]).to(recommender.device)
        seen = seen_items(cases.histories, users)
        found = rank_targets(recommender, catalogue, vectors, targets, *seen, exact)
        ranks[part] = found.cpu().numpy()
    return ranks


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
