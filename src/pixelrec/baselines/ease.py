"""Every item predicted from all the others, linearly: EASE (Steck 2019, arXiv 1905.03375)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from pixelrec.baselines.baseline import AbstractEventBaseline
from pixelrec.baselines.events import FlatEvents
from pixelrec.batch import Histories

RIDGES = (20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
MOST_ITEMS = 15_000  # beyond, N × N numbers take gigabytes and N³ steps take minutes, for every ridge
_ROWS = 512  # of the Gram matrix at a time


@final
@dataclass(frozen=True)
class EASE(AbstractEventBaseline):
    """An item's score is the sum of its weights for the items of the history.

    The weights B, zero on the diagonal, are least squares with a penalty: with P = (XᵀX + ridge · I)⁻¹,
    B_ij = −P_ij / P_jj (equation 8). X is 1 where a user interacted with an item, however often.
    """

    weights: np.ndarray  # float64[N + 1, N + 1]: row i: weights of all items given item i in the history
    ridge: float

    @classmethod
    def fit(cls, histories: Histories, items: int, *, ridge: float = 100.0) -> Self:
        return cls(_solve(gram_matrix(histories, items), ridge), ridge)

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:
        gram = gram_matrix(histories, items)
        for ridge in RIDGES:
            yield cls(_solve(gram, ridge), ridge)

    @classmethod
    def obstacle(cls, items: int) -> str | None:
        return too_many(items)

    @property
    def choice(self) -> str:
        return f"ridge {self.ridge:g}"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        return weighted(histories, users, self.weights)


def weighted(histories: Histories, users: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The sum of the weights (N + 1, N + 1) of all items given each item of a history: float64[B, N + 1]."""
    scores: np.ndarray = FlatEvents.of(histories, users).binary_matrix(len(weights) - 1) @ weights
    return scores


def too_many(items: int) -> str | None:
    """Why N × N weights are not solved for N `items`; None if they are."""
    if items <= MOST_ITEMS:
        return None
    return f"left out: it is solved for up to {MOST_ITEMS:,} items, this catalogue has {items:,}"


def gram_matrix(histories: Histories, items: int) -> np.ndarray:
    """The number of users with both of two items: int32[N + 1, N + 1]."""
    users_by_items = FlatEvents.all(histories).binary_matrix(items)
    by_item = users_by_items.T.tocsr()
    gram = np.empty((by_item.shape[0],) * 2, np.int32)
    for start in range(0, len(gram), _ROWS):
        gram[start : start + _ROWS] = (by_item[start : start + _ROWS] @ users_by_items).toarray()
    return gram


def _solve(gram: np.ndarray, ridge: float) -> np.ndarray:
    """B, float64[N + 1, N + 1]."""
    weights = inverse_of(gram, ridge)
    weights /= -np.diag(weights).copy()
    np.fill_diagonal(weights, 0.0)
    return weights


def inverse_of(gram: np.ndarray, ridge: float) -> np.ndarray:
    """(gram + ridge · I)⁻¹ by Cholesky: half the steps of a general inverse, and in place."""
    matrix = gram.astype(np.float64, order="F")
    matrix[np.diag_indices_from(matrix)] += ridge
    factor, failed = dpotrf(matrix, lower=True, clean=False, overwrite_a=True)
    assert not failed, "a Gram matrix with a ridge is positive definite"
    inverse, failed = dpotri(factor, lower=True, overwrite_c=True)
    assert not failed
    whole: np.ndarray = inverse.T  # row-major, for its products with histories; the upper half is solved
    for start in range(0, len(whole), _ROWS):  # and copied to the lower one
        stop = start + _ROWS
        square = np.triu(whole[start:stop, start:stop])
        whole[start:stop, start:stop] = square + np.triu(square, 1).T
        whole[stop:, start:stop] = whole[start:stop, stop:].T
    return whole
