"""The first loss against chance: training may never recover from scores that start too large."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pixelrec.batch import Batch, Scores
from pixelrec.recommender import Recommender

FAR = 2.0  # times chance


def chance(loss: Callable[[Scores], Tensor], batch: Batch, catalogue: int) -> float:
    """The loss of a batch whose scores are all equal: log(1 + K) for a softmax over K negatives.

    Negatives with a log-Q correction stand for the whole catalogue.
    """
    targets, rows = int((batch.target != 0).sum()), batch.negative
    negative = torch.full((targets, 1), math.log(max(1, catalogue - 1)))
    if rows is not None and batch.log_q is None:
        negative = torch.zeros(1, 1).expand(targets, rows.shape[-1])
    return float(loss(Scores(torch.zeros(targets), negative, len(batch.target), catalogue)))


def far_from_chance(first: float, by_chance: float, recommender: Recommender) -> str | None:
    """A warning with its remedy if the first loss is far above chance; else none."""
    if first <= FAR * by_chance:
        return None
    smaller = "items.init small (of pictures) or normal (of ids), items.norm items"
    scoring = recommender.recipe["scoring"]
    if recommender.users.looks_at_candidates:
        mend = smaller
    elif scoring["name"] == "cosine":
        mend = f"a scoring.temperature above {scoring['temperature']:g}"
    else:
        mend = f"scoring.name cosine with scoring.temperature 0.15, or {smaller}"
    return (
        f"warning    the first loss, {first:,.2f}, is {first / by_chance:,.1f} × the chance level, "
        f"{by_chance:,.2f}: scores start too large, and training may stay near chance; try {mend}"
    )
