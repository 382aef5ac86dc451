"""Ranks of many questions with a trained recommender: the only loop over evaluated users."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Histories
from pixelrec.data.views import latest, seen_items
from pixelrec.evaluation.dense_ranks import count_dense_ranks
from pixelrec.evaluation.ranks import count_ranks
from pixelrec.recommender import Catalogue, Recommender, latest_events

USERS = 1024  # at a time
FEW_USERS = 64  # at a time, where a model looks at every candidate
FP32 = 1e-5  # of the largest score: what a network may be wrong by


class Asks(Protocol):
    """Questions: what did these users take next, given just these histories?"""

    @property
    def users(self) -> np.ndarray: ...
    @property
    def targets(self) -> np.ndarray: ...
    @property
    def histories(self) -> Histories: ...


def rank_cases(recommender: Recommender, cases: Asks, catalogue: Catalogue | None = None) -> np.ndarray:
    """The rank of each question's target among all items that the user has not seen: int64[Q].

    Memory grows with neither users × items nor the number of questions.

    catalogue: of the recommender, where it is at hand; else it is encoded here.
    """
    catalogue = catalogue or recommender.catalogue()
    ranks = np.empty(len(cases.users), np.int64)
    users = FEW_USERS if recommender.users.looks_at_candidates else USERS
    for start in range(0, len(ranks), users):
        part = slice(start, start + users)
        ranks[part] = _rank(recommender, catalogue, cases, part).cpu().numpy()
    return ranks


def _rank(recommender: Recommender, catalogue: Catalogue, cases: Asks, part: slice) -> Tensor:
    device = recommender.device
    users = cases.users[part]
    history, times = latest(cases.histories, users, recommender.spec.length)
    vectors = recommender.vectors(catalogue, latest_events(users, history, times, device))
    targets = torch.from_numpy(cases.targets[part]).to(device)
    seen, owners = (t.to(device) for t in seen_items(cases.histories, users))
    if recommender.users.looks_at_candidates:
        scores = recommender.scores(catalogue, vectors)
        return count_dense_ranks(scores, targets, seen, owners, tolerance=FP32)
    return count_ranks(vectors, catalogue.candidates, targets, seen, owners)
