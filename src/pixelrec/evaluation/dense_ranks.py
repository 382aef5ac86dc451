"""Ranks from full rows of scores, for models whose score is not a dot product: a block of users at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelrec.errors import DivergedError
from pixelrec.evaluation.ranks import true_per_row

ROUNDING = 1e-9  # of the largest score of a row: float64 scores this close tie
_COUNTED = 1024  # columns that `true_per_row` counts fast


def count_dense_ranks(scores: Tensor, targets: Tensor, seen: Tensor, seen_owner: Tensor) -> Tensor:
    """Rank of each user's target among the items the user has not seen, int64[B] from 1 to N.

    As `ranks.count_ranks` defines it: a tie counts against the target, a target already seen gets rank N.
    Scores closer than 1e-9 times the largest of their row tie, so that rounding decides nothing.

    scores: float64[B, N + 1]; column 0 is padding. targets: B. seen: item numbers of all histories;
    seen_owner: whose, 0 … B − 1. Raises `DivergedError` for scores that are not finite.
    """
    items = scores.shape[1] - 1
    everyone = torch.arange(len(targets), device=scores.device)
    width = -(-scores.shape[1] // _COUNTED) * _COUNTED
    reached = torch.zeros(len(scores), width, dtype=torch.bool, device=scores.device)
    enough = (scores[everyone, targets] - ROUNDING * largest_scores(scores))[:, None]
    torch.ge(scores, enough, out=reached[:, : scores.shape[1]])
    reached[:, 0] = False
    reached[seen_owner, seen] = False
    reached[everyone, targets] = False
    ranks = 1 + true_per_row(reached)
    ranks[seen_owner[targets[seen_owner] == seen]] = items
    return ranks


def largest_scores(scores: Tensor) -> Tensor:
    """The largest absolute score of each row, without column 0; raises `DivergedError` if not finite."""
    sizes = torch.maximum(scores[:, 1:].amax(dim=1), -scores[:, 1:].amin(dim=1))
    if not bool(sizes.isfinite().all()):
        raise DivergedError("scores are not finite numbers, nothing can be ranked by them: train again")
    return sizes
