"""Intervals and p against their definitions, and against their promise: 95 of 100 hold the truth."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from scipy import stats

from pixelrec.errors import DataError
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import EXACT, mean, paired


def test_paired_interval_and_p_are_those_of_scipy() -> None:
    made = np.random.default_rng(0)
    a, b = made.random(60), made.random(60)
    got, expected = paired(a, b), stats.ttest_rel(a, b)
    interval = expected.confidence_interval()
    assert got.difference == pytest.approx((a - b).mean())
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high))
    assert got.p == pytest.approx(expected.pvalue) and got.deciding == 60


def test_mean_by_the_definition() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 0.5]
    got = mean(values)
    half = stats.t(4).ppf(0.975) * statistics.stdev(values) / 5**0.5
    assert (got.mean, got.low, got.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


@pytest.mark.parametrize("users", [2, 7, 12])
def test_p_of_few_differing_users_is_that_of_all_sign_flips(users: int) -> None:
    made = np.random.default_rng(users)
    a, b = np.zeros(300), np.zeros(300)
    a[:users] = made.integers(0, 4, users) / 3  # ties between sums, and users without a difference
    b[users // 2 : users] = made.random(users - users // 2)
    apart = (a - b)[a != b]
    exact = stats.permutation_test(
        (apart,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    got = paired(a, b)
    assert got.p == pytest.approx(exact.pvalue) and got.deciding == len(apart)


@pytest.mark.parametrize(("hits", "verdict"), [(4, "level"), (5, "level"), (6, "ahead"), (30, "ahead")])
def test_few_hits_beside_none_are_no_evidence(hits: int, verdict: str) -> None:
    """The interval alone excludes zero from four hits on, however many users there are."""
    ours, theirs = np.zeros(10_000), np.zeros(10_000)
    ours[:hits] = 1.0
    got = paired(ours, theirs)
    assert got.low > 0 and got.deciding == hits
    assert got.verdict == verdict and (got.p < 0.05) == (verdict == "ahead")
    if hits <= EXACT:
        assert got.p == 2 / 2**hits
    assert paired(theirs, ours).verdict == verdict.replace("ahead", "behind")


@pytest.mark.parametrize("chance", [0.003, 0.01, 0.05, 0.3])
def test_models_alike_are_told_apart_once_in_twenty_at_most(chance: float) -> None:
    made = np.random.default_rng(0)

    def ndcg() -> np.ndarray:
        ranks = np.where(made.random(600) < chance, made.integers(1, 11, 600), 99)
        return per_user(ranks)["NDCG@10"]

    apart = [paired(ndcg(), ndcg()).verdict != "level" for _ in range(2000)]
    assert np.mean(apart) <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    made = np.random.default_rng(0)
    a, b = made.random((1000, 400)) < 0.3, made.random((1000, 400)) < 0.25
    pairs = [paired(x, y) for x, y in zip(a, b, strict=True)]
    assert 0.93 < np.mean([i.low <= 0.05 <= i.high for i in pairs]) < 0.97
    assert 0.93 < np.mean([m.low <= 0.3 <= m.high for m in map(mean, a)]) < 0.97


def test_pairing_finds_a_difference_that_unpaired_noise_would_hide() -> None:
    made = np.random.default_rng(1)
    users = made.normal(size=500)
    got = paired(users + 0.02 + 0.1 * made.normal(size=500), users)
    assert got.low > 0 and got.p < 0.01 and got.verdict == "ahead"


def test_seeds_are_averaged_per_user() -> None:
    a = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert paired(a, [0.0, 0.0, 0.0]) == paired(a.mean(axis=0), [0.0, 0.0, 0.0])
    assert mean(a) == mean([0.5, 0.0, 1.0])


def test_rounding_of_averaged_seeds_is_no_difference() -> None:
    gains = 1 / np.log2(np.random.default_rng(0).integers(1, 11, 500) + 1)
    seeds = np.stack([gains] * 7)
    assert (seeds.mean(axis=0) != gains).sum() > 20, "averages are rounded"
    seeds[:, :4] += 0.5
    got = paired(seeds, gains)
    assert (got.deciding, got.p, got.verdict) == (4, 0.125, "level")


def test_no_spread() -> None:
    same, apart = paired([1.0, 0.0], [1.0, 0.0]), paired(np.ones(50), np.zeros(50))
    assert (same.difference, same.low, same.high, same.p, same.deciding) == (0.0, 0.0, 0.0, 1.0, 0)
    assert (apart.low, apart.high, apart.p, apart.verdict) == (1.0, 1.0, 0.0, "ahead")


@pytest.mark.parametrize("a, b, says", [
    ([1.0, 2.0], [1.0, 2.0, 3.0], "2 users are compared with 3"),
    ([1.0], [1.0], "2 users or more"),
    ([], [], "2 users or more"),
    ([1.0, np.nan], [1.0, 2.0], "not finite"),
])  # fmt: skip
def test_values_that_cannot_be_compared_are_refused(a: list[float], b: list[float], says: str) -> None:
    with pytest.raises(DataError, match=says):
        paired(a, b)
