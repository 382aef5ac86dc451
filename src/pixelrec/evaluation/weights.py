"""The weights with which standardised scores of several models are added: those best for NDCG@10.

NDCG@10 of a few hundred users is a rugged function of the weights, and its maximum flatters: as weights that
were fitted to some users are measured on others, they are drawn towards equal ones as far as that helps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb
from typing import Self, final

import numpy as np

from pixelrec.evaluation.comparison import LISTED

NEAREST = 100  # best items of each model that compete for a user's list
STARTS = 400  # weights that are tried at first, at most
STEPS = (0.5, 0.2, 0.1, 0.05, 0.02)  # by which one weight is changed
ROUNDS = 20  # at most, of changes of one weight
FOLDS = 5
SHRINKAGES = (1.0, 0.75, 0.5, 0.25, 0.0)  # towards equal weights
_DECIMALS = 4  # of weights


@final
@dataclass(frozen=True)
class Contest:
    """Items that may be ranked before the targets of Q users: K pairs, user after user."""

    leads: np.ndarray  # float32[P, K]: score of an item minus that of its user's target, by model
    stops: np.ndarray  # int64[Q]: one past the last pair of each user

    @classmethod
    def of(cls, blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Self:
        """From blocks of users.

        Each has scores (P, B, N + 1), targets (B), and the items that do not compete, bool[B, N + 1]. Only
        the best items of each model compete, and of these none that is behind the target in all models.
        """
        leads, counts = [], []
        for scores, targets, hidden in blocks:
            ahead = scores - np.take_along_axis(scores, targets[None, :, None], 2)
            competes = ahead.max(0) >= 0
            competes &= _best(np.where(hidden, -np.inf, scores)) & ~hidden
            leads.append(ahead[:, competes].astype(np.float32))
            counts.append(competes.sum(1))
        return cls(np.concatenate(leads, axis=1), np.concatenate(counts).cumsum())

    def gains(self, weights: np.ndarray) -> np.ndarray:
        """NDCG@10 of every user for each row of weights (C, P): float64[C, Q]."""
        gain = np.append(1 / np.log2(np.arange(2, LISTED + 2)), 0.0)
        found = np.empty((len(weights), len(self.stops)))
        for row, each in zip(found, weights.astype(np.float32), strict=True):
            reached = np.append(0, np.cumsum(each @ self.leads >= 0))[np.append(0, self.stops)]
            row[:] = gain[np.minimum(np.diff(reached), LISTED)]
        return found


def _best(scores: np.ndarray) -> np.ndarray:
    """bool[B, N + 1]: items among the best of at least one model; scores: P, B, N + 1."""
    first = scores.shape[2] - min(NEAREST, scores.shape[2])
    found = np.zeros(scores.shape[1:], bool)
    for each in scores:
        np.put_along_axis(found, np.argpartition(each, first, axis=1)[:, first:], True, axis=1)
    return found


def choose_weights(contest: Contest, ties: np.ndarray) -> np.ndarray:
    """The weights that promise the highest NDCG@10 for other users than those of the contest: float64[P].

    Those best here are drawn towards equal ones by the shrinkage that is best in cross-validation over users.

    ties: int64[P]: models with the same number get the same weight. The weights sum to 1.
    """
    spread = (ties == np.unique(ties)[:, None]).astype(np.float64)  # G, P
    spread /= spread.sum(1, keepdims=True)
    users = len(contest.stops)
    folds = np.random.default_rng(0).permutation(users) % FOLDS
    starts = lattice(len(spread))
    known = contest.gains(starts @ spread)
    held_out = np.zeros(len(SHRINKAGES))
    for fold in range(min(FOLDS, users) if users > 1 else 0):
        found = shrunk(_search(contest, spread, folds != fold, starts, known))
        held_out += contest.gains(found @ spread)[:, folds == fold].sum(1)
    best = shrunk(_search(contest, spread, folds >= 0, starts, known))[int(held_out.argmax())]
    return np.round(best, _DECIMALS) @ spread


def shrunk(weights: np.ndarray) -> np.ndarray:
    """Weights (P) by each shrinkage: float64[5, P]."""
    share = np.array(SHRINKAGES)[:, None]
    return (1 - share) * weights + share / len(weights)


def _search(
    contest: Contest, spread: np.ndarray, users: np.ndarray, tried: np.ndarray, gains: np.ndarray
) -> np.ndarray:
    """Weights of groups (G) by NDCG@10 on some users (bool[Q]), which is `gains` for the first ones tried.

    From the best of these, one weight is changed at a time.
    """
    best, value = tried[0], -1.0
    for _ in range(ROUNDS):
        values = gains[:, users].mean(1)
        if values.max() <= value:
            break
        best, value = tried[int(values.argmax())], float(values.max())
        tried = np.unique(list(_neighbours(best)), axis=0)
        gains = contest.gains(tried @ spread)
    return best


def lattice(count: int) -> np.ndarray:
    """Equal weights, and all that are multiples of 1 / m, for the largest m that gives at most 400."""
    parts = max((m for m in range(1, 65) if comb(m + count - 1, m) <= STARTS), default=1)
    draws = combinations_with_replacement(range(count), parts)
    return np.array([np.full(count, 1 / count), *(np.bincount(d, minlength=count) / parts for d in draws)])


def _neighbours(weights: np.ndarray) -> Iterator[np.ndarray]:
    """Weights with one of them a step larger or smaller, and the sum 1."""
    for step in (*STEPS, *(-step for step in STEPS)):
        for place in range(len(weights)):
            some = weights.copy()
            some[place] = max(0, some[place] + step)
            if some.sum() > 0:
                yield np.round(some / some.sum(), _DECIMALS)
