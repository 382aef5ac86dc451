"""Intervals against their definition, and against what they promise: 95 of 100 hold the truth."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from pixelrec.errors import DataError
from pixelrec.evaluation.significance import mean, paired


def test_paired_interval_and_p_by_the_definition() -> None:
    a, b = [0.5, 1.0, 0.0, 0.25, 1.0], [0.25, 1.0, 0.5, 0.0, 0.0]
    differences = [x - y for x, y in zip(a, b, strict=True)]
    middle = statistics.fmean(differences)
    error = statistics.stdev(differences) / 5**0.5
    normal = statistics.NormalDist()
    got = paired(a, b)
    assert got.difference == pytest.approx(middle)
    assert (got.low, got.high) == pytest.approx(
        (middle - normal.inv_cdf(0.975) * error, middle + normal.inv_cdf(0.975) * error)
    )
    assert got.p == pytest.approx(2 * normal.cdf(-abs(middle) / error))


def test_mean_by_the_definition() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 0.5]
    got = mean(values)
    reach = statistics.NormalDist().inv_cdf(0.975) * statistics.stdev(values) / 5**0.5
    assert (got.mean, got.low, got.high) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    made = np.random.default_rng(0)
    a, b = made.random((1000, 400)) < 0.3, made.random((1000, 400)) < 0.25
    pairs = [paired(x, y) for x, y in zip(a, b, strict=True)]
    assert 0.93 < np.mean([i.low <= 0.05 <= i.high for i in pairs]) < 0.97
    assert 0.93 < np.mean([m.low <= 0.3 <= m.high for m in map(mean, a)]) < 0.97


def test_pairing_sees_what_unpaired_noise_would_hide() -> None:
    made = np.random.default_rng(1)
    users = made.normal(size=500)
    got = paired(users + 0.02 + 0.1 * made.normal(size=500), users)
    assert got.low > 0 and got.p < 0.01


def test_seeds_are_averaged_per_user() -> None:
    a = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert paired(a, [0.0, 0.0, 0.0]) == paired(a.mean(axis=0), [0.0, 0.0, 0.0])
    assert mean(a) == mean([0.5, 0.0, 1.0])


def test_no_spread() -> None:
    same, apart = paired([1.0, 0.0], [1.0, 0.0]), paired([1.0, 1.0], [0.5, 0.5])
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert (apart.low, apart.high, apart.p) == (0.5, 0.5, 0.0)


@pytest.mark.parametrize("a, b, told", [
    ([1.0, 2.0], [1.0, 2.0, 3.0], "2 users are compared with 3"),
    ([1.0], [1.0], "2 users or more"),
    ([], [], "2 users or more"),
    ([1.0, np.nan], [1.0, 2.0], "not finite"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(a: list[float], b: list[float], told: str) -> None:
    with pytest.raises(DataError, match=told):
        paired(a, b)
