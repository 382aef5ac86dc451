"""VisRank and L3AE against their definitions, item by item and by general solvers."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy.optimize import minimize

from pixelrec.baselines import visrank
from pixelrec.baselines.ease import EASE
from pixelrec.baselines.l3ae import L3AE, feature_weights
from pixelrec.baselines.visrank import VisRank
from pixelrec.batch import Histories

GENERATOR = np.random.default_rng(0)
USERS, ITEMS = 12, 9
LENGTHS = np.array([0, 0, 1, 2, 3, 5, 8, 8, 4, 4, 6, 7, 3])
STOPS = np.cumsum(LENGTHS)
HISTORIES = Histories(
    GENERATOR.integers(1, ITEMS + 1, STOPS[-1]).astype(np.int32), np.arange(STOPS[-1]), STOPS - LENGTHS, STOPS
)
VECTORS = GENERATOR.normal(size=(ITEMS + 1, 5)).astype("f4")
VECTORS[0] = 0
VECTORS[7] = 0  # an item without features
UNIT = VECTORS / np.maximum(np.linalg.norm(VECTORS, axis=1, keepdims=True), 1e-9)
ALL = np.arange(1, USERS + 1)


def plain(user: int, nearest: float, recent: int) -> np.ndarray:
    """By the definition: distinct items, each at its latest event."""
    events = HISTORIES.items[HISTORIES.starts[user] : HISTORIES.stops[user]].tolist()
    shown = [item for place, item in enumerate(events) if item not in events[place + 1 :]][-recent:]
    if not shown:
        return np.zeros(ITEMS + 1)
    cosines = np.sort(np.array([[UNIT[a] @ UNIT[b] for b in range(ITEMS + 1)] for a in shown]), axis=0)[::-1]
    return cosines[: min(len(shown), nearest) if nearest != inf else None].mean(0)


@pytest.mark.parametrize("recent", [2, 50])
@pytest.mark.parametrize("nearest", [1, 3, inf])
@pytest.mark.parametrize("room", [1, 1 << 20])
def test_visrank(nearest: float, recent: int, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visrank, "_BYTES", room)
    found = VisRank(UNIT.astype("f4"), nearest, recent).scores(HISTORIES, ALL)
    expected = np.stack([plain(user, nearest, recent) for user in ALL])
    assert np.allclose(found, expected, atol=2e-6)


def test_visrank_ties_items_that_look_the_same() -> None:
    twins = np.concatenate([UNIT, UNIT[3:4], UNIT[3:4]]).astype("f4")
    found = VisRank(twins, 1).scores(HISTORIES, ALL)
    assert np.array_equal(found[:, 3], found[:, 10]) and np.array_equal(found[:, 3], found[:, 11])


def test_visrank_candidates_are_told_apart() -> None:
    found = list(VisRank.candidates(HISTORIES, ITEMS, VECTORS))
    assert len({each.choice for each in found}) == len(found) == 6
    assert all(not each.unit[7].any() for each in found)


def test_l3ae_without_pull_is_ease() -> None:
    ease = EASE.fit(HISTORIES, ITEMS, ridge=7.0)
    found = L3AE.fit(HISTORIES, ITEMS, VECTORS, ridge=7.0, pull=0.0)
    assert np.allclose(found.weights, ease.weights, atol=1e-10)


def test_l3ae_follows_features_where_the_pull_is_strong() -> None:
    found = L3AE.fit(HISTORIES, ITEMS, VECTORS, ridge=1.0, feature_ridge=2.0, pull=1e9)
    left, right = feature_weights(VECTORS, 2.0)
    expected = left @ right
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(found.weights, expected, atol=1e-6)


def test_l3ae_candidates_are_those_that_are_fitted_alone() -> None:
    found = list(L3AE.candidates(HISTORIES, ITEMS, VECTORS))
    assert len({each.choice for each in found}) == len(found) == 18
    for each in found:
        words = {"ridge": each.ridge, "feature_ridge": each.feature_ridge, "pull": each.pull}
        alone = L3AE.fit(HISTORIES, ITEMS, VECTORS, **words)
        assert each.choice == alone.choice and np.array_equal(each.weights, alone.weights)


def test_l3ae_is_the_least_squares_solution() -> None:
    ridge, feature_ridge, pull = 3.0, 2.0, 5.0
    x = np.zeros((USERS + 1, ITEMS + 1))
    for user in ALL:
        x[user, HISTORIES.items[HISTORIES.starts[user] : HISTORIES.stops[user]]] = 1
    known = VECTORS.any(1)
    f = np.zeros(VECTORS.shape)
    f[known] = VECTORS[known] - VECTORS[known].mean(0, dtype="f8")
    f /= np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-12)
    found = L3AE.fit(HISTORIES, ITEMS, VECTORS, ridge=ridge, feature_ridge=feature_ridge, pull=pull)
    for column in range(ITEMS + 1):
        others = np.arange(ITEMS + 1) != column
        s = _ridge(f[others].T, f[column], feature_ridge)

        def loss(
            b: np.ndarray, others: np.ndarray = others, column: int = column, s: np.ndarray = s
        ) -> float:
            fit = ((x[:, column] - x[:, others] @ b) ** 2).sum()
            return float(fit + ridge * (b**2).sum() + pull * ((b - s) ** 2).sum())

        best = minimize(loss, np.zeros(ITEMS), method="BFGS", options={"gtol": 1e-9}).x
        assert np.allclose(found.weights[others, column], best, atol=1e-5)
        assert found.weights[column, column] == 0


def _ridge(a: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    solution: np.ndarray = np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T @ y)
    return solution


def test_scores_are_sums_of_weights() -> None:
    found = L3AE.fit(HISTORIES, ITEMS, VECTORS)
    for row, user in zip(found.scores(HISTORIES, ALL), ALL, strict=True):
        shown = np.unique(HISTORIES.items[HISTORIES.starts[user] : HISTORIES.stops[user]])
        assert np.allclose(row, found.weights[shown].sum(0))
