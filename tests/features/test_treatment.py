"""Treatments against plain NumPy, and what each promises of the treated vectors."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.batch import Histories
from pixelrec.errors import RecipeError
from pixelrec.features.treatment import (
    Treatment,
    TreatmentConfig,
    consecutive_pairs,
    fit_treatment,
    items_with_events,
)

GENERATOR = np.random.default_rng(0)
# Correlated channels of very different scales around a large common mean.
X = (
    GENERATOR.normal(size=(300, 12)) @ GENERATOR.normal(size=(12, 12)) * np.geomspace(0.1, 10, 12) + 30
).astype("f4")
ALL = np.arange(len(X))


def fitted(**options: object) -> Treatment:
    return fit_treatment(X, ALL, TreatmentConfig(**options))  # type: ignore[arg-type]


def test_nothing_changes_nothing() -> None:
    assert np.array_equal(fitted().apply(X), X)


def test_centred() -> None:
    assert np.allclose(fitted(scale="centre").apply(X), X - X.mean(0), atol=1e-4)


def test_standardised() -> None:
    treated = fitted(scale="standardise").apply(X)
    assert np.allclose(treated.mean(0), 0, atol=1e-4)
    assert np.allclose(treated.std(0), 1, atol=1e-4)


def test_a_constant_channel_becomes_zero() -> None:
    constant = X.copy()
    constant[:, 3] = 7
    treated = fit_treatment(constant, ALL, TreatmentConfig("standardise")).apply(constant)
    assert np.array_equal(treated[:, 3], np.zeros(len(X)))


@pytest.mark.parametrize("kept", [1, 5, 12])
def test_principal_components_are_those_of_svd(kept: int) -> None:
    treated = fitted(pca=kept).apply(X)
    centred = X.astype("f8") - X.mean(0, dtype="f8")
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    for column in range(kept):
        expected = u[:, column] * s[column]
        assert min(np.abs(treated[:, column] - sign * expected).max() for sign in (1, -1)) < 1e-3 * s[0]


def test_all_components_keep_distances() -> None:
    treated = fitted(pca=12).apply(X)
    distances = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (X, treated)]
    assert np.allclose(*distances, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 1.0])
def test_whitening_divides_deviations_by_their_power(alpha: float) -> None:
    deviation = fitted(pca=12).apply(X).std(0)
    whitened = fitted(whiten=alpha).apply(X)
    assert np.allclose(whitened.std(0), deviation ** (1 - alpha), rtol=1e-2)
    correlation = np.corrcoef(whitened.T)
    assert np.abs(correlation - np.eye(12)).max() < 1e-2


def test_shrinkage_whitens_less() -> None:
    full, shrunk = fitted(whiten=1.0).apply(X), fitted(whiten=1.0, shrinkage=0.5).apply(X)
    assert shrunk.std(0).max() / shrunk.std(0).min() > full.std(0).max() / full.std(0).min()


def test_unit_length() -> None:
    treated = fitted(scale="centre", unit=True).apply(np.concatenate([X, X.mean(0, dtype="f8")[None]]))
    assert np.allclose(np.linalg.norm(treated[:-1], axis=1), 1, atol=1e-5)
    assert np.isfinite(treated).all()


def test_only_the_given_rows_are_fitted_to() -> None:
    treatment = fit_treatment(X, ALL[:100], TreatmentConfig("standardise"))
    assert np.allclose(treatment.apply(X[:100]).mean(0), 0, atol=1e-4)
    assert not np.allclose(treatment.apply(X).mean(0), 0, atol=1e-2)


def test_too_few_items_for_the_components() -> None:
    with pytest.raises(RecipeError, match="10 items with training events are too few for 12 components"):
        fit_treatment(X, ALL[:10], TreatmentConfig(whiten=1.0))
    with pytest.raises(RecipeError, match=r"items.pca is 13, and the features have 12 dimensions"):
        fit_treatment(X, ALL, TreatmentConfig(pca=13))
    few = fit_treatment(X, ALL[:10], TreatmentConfig(pca=8, whiten=1.0)).apply(X)
    shrunk = fit_treatment(X, ALL[:10], TreatmentConfig(whiten=1.0, shrinkage=0.1)).apply(X)
    assert np.isfinite(few).all() and np.isfinite(shrunk).all()


def test_a_direction_without_variance_is_not_amplified() -> None:
    doubled = np.concatenate([X, X], axis=1)
    treated = fit_treatment(doubled, ALL, TreatmentConfig(whiten=1.0)).apply(doubled)
    assert np.allclose(treated[:, 12:], 0, atol=1e-3)
    assert np.allclose(treated[:, :12].std(0), 1, atol=1e-2)


def test_items_with_events() -> None:
    items, times = np.array([1, 2, 3, 4, 5], np.int32), np.zeros(5, np.int64)
    # User 1 trains on the first two of three events, user 2 on the first of two.
    histories = Histories(items, times, np.array([0, 0, 3]), np.array([0, 2, 4]))
    assert np.flatnonzero(items_with_events(histories, 6)).tolist() == [1, 2, 4]


def test_pairs_follow_each_other_within_a_history() -> None:
    items = np.array([1, 2, 2, 3, 4, 1, 3], np.int32)
    histories = Histories(items, np.zeros(7, np.int64), np.array([0, 0, 4]), np.array([0, 4, 7]))
    rows = np.array([-1, 10, 20, 30, -1])
    assert consecutive_pairs(histories, rows).tolist() == [[10, 20], [20, 30], [10, 30]]


# Items of one group follow each other; groups differ in a direction of small variance.
GROUP = np.arange(300) % 30
SIGNAL = X.copy()
SIGNAL[:, 0] = X[:, 0].mean() + 0.5 * (GROUP - 15)
PAIRS = np.array([(a, (a + 30 * step) % 300) for a in range(300) for step in (1, 2, 3)])


def smoothed(smoothing: float, **options: object) -> Treatment:
    config = TreatmentConfig(smoothing=smoothing, **options)  # type: ignore[arg-type]
    return fit_treatment(SIGNAL, ALL, config, PAIRS)


def test_no_smoothing_is_pca() -> None:
    plain = fit_treatment(SIGNAL, ALL, TreatmentConfig(pca=4)).apply(SIGNAL)
    nearly = smoothed(1e-9, pca=4).apply(SIGNAL)
    assert np.allclose(plain, nearly, rtol=1e-3, atol=1e-2)


def test_smoothing_finds_the_direction_in_which_followers_agree() -> None:
    def agreement(treatment: Treatment) -> float:
        first = treatment.apply(SIGNAL)[:, 0].astype("f8")
        return float(((first[PAIRS[:, 0]] - first[PAIRS[:, 1]]) ** 2).mean() / first.var())

    found = [agreement(smoothed(each, pca=1)) for each in (1e-9, 0.5, 0.95)]
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.2


def test_smoothed_components_solve_the_generalised_problem() -> None:
    matrix = smoothed(0.7, pca=3).matrix
    assert matrix is not None
    covariance = np.cov(SIGNAL.T.astype("f8"), bias=True)
    apart = SIGNAL[PAIRS[:, 0]].astype("f8") - SIGNAL[PAIRS[:, 1]]
    variation = apart.T @ apart / (2 * len(PAIRS))
    metric = 0.7 * variation / (np.trace(covariance) / 12) + (0.3 + 1e-6) * np.eye(12)
    left, right = covariance @ matrix, metric @ matrix
    ratio = (matrix * left).sum(0) / (matrix * right).sum(0)
    assert np.all(np.diff(ratio) < 0)
    assert np.allclose(left, right * ratio, rtol=1e-3, atol=1e-3 * np.abs(left).max())


def test_smoothing_needs_pairs() -> None:
    with pytest.raises(RecipeError, match="items.smoothing needs items that follow each other"):
        fit_treatment(X, ALL, TreatmentConfig(smoothing=0.5), np.zeros((0, 2), np.int64))
