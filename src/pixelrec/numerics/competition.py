"""Two steps between the scores of sampled negatives and the loss: log-Q correction, accidental hits."""

from __future__ import annotations

import torch
from torch import Tensor


def correct_sampling(negative_scores: Tensor, log_q: Tensor) -> Tensor:
    """Scores[M, S] minus log_q[S], the log of each negative's expected count: finite, also for padding.

    Makes the sampled softmax estimate the full one. Apply it before `mask_accidental_hits`.
    Source: Bengio and Senécal, Adaptive importance sampling (2008).
    """
    return negative_scores - log_q


def mask_accidental_hits(negative_scores: Tensor, negative_rows: Tensor, target_rows: Tensor) -> Tensor:
    """Scores[M, K] with −inf where the negative is the target itself or padding (row 0).

    negative_rows: M, K, or S shared by all targets. target_rows: M.
    """
    ignored = (negative_rows == target_rows[:, None]) | (negative_rows == 0)
    return negative_scores.masked_fill(ignored, -torch.inf)
