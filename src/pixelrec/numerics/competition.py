"""Who competes with a target: two steps between the scores of sampled negatives and the loss."""

from __future__ import annotations

import torch
from torch import Tensor


def correct_sampling(negative_scores: Tensor, log_q: Tensor) -> Tensor:
    """Scores[M, S] less the log of how often each negative was expected, log_q[S]: finite, also for padding.

    Makes the sampled softmax estimate the whole one. Apply it before `mask_accidental_hits`.
    Source: Bengio and Senécal, Adaptive importance sampling (2008).
    """
    return negative_scores - log_q


def mask_accidental_hits(negative_scores: Tensor, negative_rows: Tensor, target_rows: Tensor) -> Tensor:
    """Scores[M, K] with −inf where the negative is the target itself, or row 0, which is no negative.

    negative_rows: M, K, or S that all targets share. target_rows: M.
    """
    idle = (negative_rows == target_rows[:, None]) | (negative_rows == 0)
    return negative_scores.masked_fill(idle, -torch.inf)
