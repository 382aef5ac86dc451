"""EASE with a prior from features: L3AE (Moon et al. 2025, arXiv 2508.13500)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, product
from typing import Self, final

import numpy as np

from pixelrec.baselines.baseline import AbstractFeatureBaseline
from pixelrec.baselines.ease import gram_matrix, inverse_of, too_many, weighted
from pixelrec.batch import Histories

RIDGES = (50.0, 200.0, 500.0)
FEATURE_RIDGES = (1.0, 10.0)
PULLS = (50.0, 200.0, 500.0)
_ROWS = 512  # of the weights at a time


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
        prior = feature_weights(vectors, feature_ridge)
        return cls(_pulled(inverse_of(gram, ridge + pull), *prior, pull), ridge, feature_ridge, pull)

    @classmethod
    def candidates(cls, histories: Histories, items: int, vectors: np.ndarray) -> Iterator[Self]:
        gram = gram_matrix(histories, items)
        priors = {ridge: feature_weights(vectors, ridge) for ridge in FEATURE_RIDGES}
        pairs = sorted(product(RIDGES, PULLS), key=sum)
        for both, some in groupby(pairs, key=sum):  # which alone the inverse depends on
            inverse = inverse_of(gram, both)
            for (ridge, pull), feature_ridge in product(list(some), FEATURE_RIDGES):
                yield cls(_pulled(inverse, *priors[feature_ridge], pull), ridge, feature_ridge, pull)

    @classmethod
    def obstacle(cls, items: int) -> str | None:
        return too_many(items)

    @property
    def choice(self) -> str:
        return f"ridge {self.ridge:g}, pull {self.pull:g} towards features with ridge {self.feature_ridge:g}"

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:
        return weighted(histories, users, self.weights)


def feature_weights(vectors: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """S of vectors (N + 1, W), centred and scaled to length 1, but for its diagonal, as two factors.

    They are float64[N + 1, W] and [W, N + 1]. S_ij = −P_ij / P_jj with P = (FᵀF + ridge · I)⁻¹, which takes
    an inverse of W × W numbers only.
    """
    known = vectors.any(1)
    features = np.zeros(vectors.shape)
    features[known] = vectors[known] - vectors[known].mean(0, dtype=np.float64)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    inner = features.T @ features
    inner[np.diag_indices_from(inner)] += ridge
    right = np.linalg.solve(inner, features.T)  # features @ right is I − ridge · P
    right /= 1 - np.einsum("ij,ji->i", features, right)
    return features, right


def _pulled(inverse: np.ndarray, left: np.ndarray, right: np.ndarray, pull: float) -> np.ndarray:
    """B of the docstring, with the inverse of XᵀX + (ridge + pull) · I.

    Lagrange multipliers make its diagonal zero; they also take up any diagonal of S, which is not needed.
    """
    weights: np.ndarray = (inverse @ left) @ (pull * right)
    scale = (np.diag(weights) + 1) / np.diag(inverse)
    for start in range(0, len(weights), _ROWS):
        weights[start : start + _ROWS] -= inverse[start : start + _ROWS] * scale
    np.fill_diagonal(weights, 0.0)
    return weights
