"""Losses: pure functions of the scores of real targets and of their negatives.

Every loss is computed in float32 at least. A negative of −inf does not compete: it adds nothing to the value
and gets no gradient. With no targets the loss is 0 but stays attached to the graph (zero gradient).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from pixelrec.batch import Scores
from pixelrec.hyperparameters import Fraction
from pixelrec.numerics.precision import at_least_fp32

Reduction = Literal["mean", "window"]


def bpr(scores: Scores, *, reduction: Reduction = "mean", epsilon: Fraction = 0.0) -> Tensor:
    """Bayesian personalised ranking, −log σ(s⁺ − s⁻), the mean over the competing negatives of a target.

    reduction: "mean" over targets, or "window": summed over the targets of a window, mean over windows.
    epsilon: above 0 it is added to σ inside the logarithm, as the published benchmark does with 1e-8.
    Source: Rendle et al., BPR (UAI 2009), arXiv 1205.2618, BPR-Opt.
    """
    positive, negative, competes = _competition(scores)
    margin = positive[:, None] - negative
    gain = torch.log(torch.sigmoid(margin) + epsilon) if epsilon > 0 else logsigmoid(margin)
    per_target = -_masked_sum(gain, competes) / competes.sum(dim=1).clamp(min=1)
    return _reduced(per_target, scores, reduction)


def bce(scores: Scores, *, reduction: Reduction = "mean") -> Tensor:
    """Binary cross-entropy, −log σ(s⁺) − Σ log(1 − σ(s⁻)): *summed* over the competing negatives of a target.

    reduction: "mean" over targets, or "window": summed over the targets of a window, mean over windows.
    Source: Kang and McAuley, SASRec, arXiv 1808.09781, which samples one negative.
    """
    positive, negative, competes = _competition(scores)
    per_target = -logsigmoid(positive) - _masked_sum(logsigmoid(-negative), competes)
    return _reduced(per_target, scores, reduction)


def gbce(scores: Scores, *, calibration: Fraction = 0.75) -> Tensor:
    """Generalised binary cross-entropy, −(log σ(s⁺)^β + Σ log(1 − σ(s⁻))) / (K + 1), the mean over targets.

    β = α(t(1 − 1/α) + 1/α) with α = K / (N − 1), K the competing negatives of the target, sampled uniformly.
    calibration: t from 0 (plain cross-entropy) to 1 (scores are calibrated probabilities).
    Source: Petrov and Macdonald, gSASRec, arXiv 2308.07192.
    """
    positive, negative, competes = _competition(scores)
    count = competes.sum(dim=1).to(positive.dtype)
    rate = (count / max(1, scores.catalogue - 1)).clamp(max=1)
    power = calibration * (rate - 1) + 1  # β, without its division by α
    per_target = -(power * logsigmoid(positive) + _masked_sum(logsigmoid(-negative), competes)) / (count + 1)
    return _reduced(per_target, scores, "mean")


def softmax(scores: Scores) -> Tensor:
    """Cross-entropy of the target against its negatives, −s⁺ + log(exp s⁺ + Σ exp s⁻); mean over targets.

    A sampled softmax if the negatives are those of `numerics.competition`; the softmax over the whole
    catalogue if the one negative is `numerics.logsumexp.competing_logsumexp`.
    """
    positive = at_least_fp32(scores.positive)
    everything = torch.cat([positive[:, None], at_least_fp32(scores.negative)], dim=1)
    return _reduced(everything.logsumexp(dim=1) - positive, scores, "mean")


LOSSES: Mapping[str, Callable[..., Tensor]] = {"bpr": bpr, "bce": bce, "gbce": gbce, "softmax": softmax}


def _competition(scores: Scores) -> tuple[Tensor, Tensor, Tensor]:
    """Positive[M], negative[M, K] with 0 in place of −inf, and the mask of real negatives.

    The −inf are replaced before they enter a formula: 0 · inf in a gradient would be NaN.
    """
    negative = at_least_fp32(scores.negative)
    competes = negative != -torch.inf
    return at_least_fp32(scores.positive), negative.masked_fill(~competes, 0), competes


def _masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, 0).sum(dim=1)


def _reduced(per_target: Tensor, scores: Scores, reduction: Reduction) -> Tensor:
    """Reduces M losses to one; dividing by at least 1 keeps an empty batch at 0."""
    return per_target.sum() / max(1, len(per_target) if reduction == "mean" else scores.windows)
