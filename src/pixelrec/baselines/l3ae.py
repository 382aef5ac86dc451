"""EASE with a prior from features: L3AE (Moon et al. 2025, arXiv 2508.13500)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractFeatureBaseline
from pixelrec.baselines.ease import gram_matrix, inverse_of, too_many, weighted
from pixelrec.batch import Histories

RIDGES = (50.0, 200.0, 500.0)
FEATURE_RIDGES = (1.0, 10.0)
PULLS = (50.0, 200.0, 500.0)


@final
@dataclass(frozen=True)
class L3AE(AbstractFeatureBaseline):
    """Weights as of EASE, pulled towards those that predict an item's features from the others' features.

    First S, zero on the diagonal, minimises ‖F − F S‖² + r ‖S‖² for centred features of length 1 (columns of
    F). Then B, zero on the diagonal, minimises ‖X − X B‖² + ridge ‖B‖² + pull ‖B − S‖², X being 1 where a
    user interacted with an item, however often. With pull 0 this is EASE.
    """

    weights: np.ndarray  # float64[N + 1, N + 1]: row i: weights of all items given item i in the history
    ridge: float
    feature_ridge: float
    pull: float

    @classmethod
    def fit(
        cls,
        histories: Histories,
        items: int,
        vectors: np.ndarray,
        *,
        ridge: float = 200.0,
        feature_ridge: float = 10.0,
        pull: float = 200.0,
    ) -> Self:
        """Fitted to training events and features (float32[N + 1, W]) with these penalties."""
        gram = gram_matrix(histories, items)
        return cls._solved(gram, feature_weights(vectors, feature_ridge), ridge, feature_ridge, pull)

    @classmethod
    def candidates(cls, histories: Histories, items: int, vectors: np.ndarray) -> Iterator[Self]:
        gram = gram_matrix(histories, items)
        for feature_ridge in FEATURE_RIDGES:
            prior = feature_weights(vectors, feature_ridge)
            for ridge, pull in product(RIDGES, PULLS):
                yield cls._solved(gram, prior, ridge, feature_ridge, pull)

    @classmethod
    def _solved(
        cls, gram: np.ndarray, prior: np.ndarray, ridge: float, feature_ridge: float, pull: float
    ) -> Self:
        return cls(_pulled(gram, prior, ridge, pull), ridge, feature_ridge, pull)

    @classmethod
    def obstacle(cls, items: int) -> str | None:
        return too_many(items)

    @property
    def choice(self) -> str:
        return f"ridge {self.ridge:g}, pull {self.pull:g} towards features with ridge {self.feature_ridge:g}"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        return weighted(histories, users, self.weights)


def feature_weights(vectors: np.ndarray, ridge: float) -> np.ndarray:
    """S, float64[N + 1, N + 1], of vectors (N + 1, W), centred and scaled to length 1.

    S_ij = −P_ij / P_jj with P = (FᵀF + ridge · I)⁻¹, which takes an inverse of W × W numbers only.
    """
    known = vectors.any(1)
    features = np.zeros(vectors.shape)
    features[known] = vectors[known] - vectors[known].mean(0, dtype=np.float64)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    inner = features.T @ features
    inner[np.diag_indices_from(inner)] += ridge
    weights = features @ np.linalg.solve(inner, features.T)  # I − ridge · P
    diagonal = 1 - np.diag(weights).copy()
    weights /= diagonal
    np.fill_diagonal(weights, 0.0)
    return weights


def _pulled(gram: np.ndarray, prior: np.ndarray, ridge: float, pull: float) -> np.ndarray:
    """B of the docstring, by Lagrange multipliers for its diagonal."""
    inverse = inverse_of(gram, ridge + pull)
    free = pull * (inverse @ prior)
    free -= (ridge + pull) * inverse
    free[np.diag_indices_from(free)] += 1
    free -= inverse * (np.diag(free) / np.diag(inverse))
    np.fill_diagonal(free, 0.0)
    return free
