"""Confidence intervals of means over users, and paired comparisons of two models on the same users."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, inf, sqrt
from typing import Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelrec.errors import DataError

LEVEL = 0.05
EXACT = 20  # users with a difference up to which every assignment of signs is enumerated
ROUNDING = 1e-9  # smaller differences come from averaging seeds

Verdict = Literal["ahead", "level", "behind"]


@final
@dataclass(frozen=True)
class Mean:
    """A mean over users and its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class Interval:
    """A mean difference over users, its 95 % interval (Student's t), and the two-sided p of no difference.

    deciding: users whose difference is not zero. Up to 20 of them, p is that of the exact sign-flip test, as
    a t test says little then; otherwise it is that of the paired t test.
    """

    difference: float
    low: float
    high: float
    p: float
    deciding: int

    @property
    def verdict(self) -> Verdict:
        """`level` unless the interval excludes zero and p is below 0.05."""
        if self.low <= 0 <= self.high or self.p >= LEVEL:
            return "level"
        return "ahead" if self.difference > 0 else "behind"


def mean(values: ArrayLike) -> Mean:
    """The mean of a metric, float[users] or [seeds, users]; seeds are averaged per user first."""
    middle, half, _ = _student(_by_user(values))
    return Mean(middle, middle - half, middle + half)


def paired(a: ArrayLike, b: ArrayLike) -> Interval:
    """`a` minus `b` for the same users in the same order; each float[users] or [seeds, users].

    Seeds are averaged per user first, so the interval covers other users, not other seeds.
    Raises `DataError` where the users differ in number, are fewer than two, or a value is not finite.
    """
    first, second = _by_user(a), _by_user(b)
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} users are compared with {len(second)}; expected the same users on both sides"
        )
    differences = first - second
    middle, half, p = _student(differences)
    apart = differences[np.abs(differences) > ROUNDING]
    if len(apart) <= EXACT:
        p = _sign_flip(apart)
    return Interval(middle, middle - half, middle + half, p, len(apart))


def _by_user(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.shape[0] < 1 or array.shape[-1] < 2:
        raise DataError(
            f"values have the shape {array.shape}; expected [users] or [seeds, users], 2 users or more"
        )
    if not np.isfinite(array).all():
        raise DataError("values of users hold a number that is not finite; expected finite numbers only")
    by_user: NDArray[np.float64] = np.atleast_2d(array).mean(axis=0)
    return by_user


def _student(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean, half the width of its 95 % interval, and the two-sided p of a mean of zero."""
    from scipy.special import stdtr, stdtrit  # much faster to import than scipy.stats

    middle, error, free = float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values)), len(values) - 1
    t = middle / error if error else copysign(inf, middle) if middle else 0.0
    return middle, float(stdtrit(free, 1 - LEVEL / 2)) * error, float(2 * stdtr(free, -abs(t)))


def _sign_flip(differences: NDArray[np.float64]) -> float:
    """Two-sided p: the share of all 2^n sign assignments whose sum is at least as far from zero."""
    sums = np.zeros(1)
    for size in differences:
        sums = np.concatenate([sums + size, sums - size])
    least = abs(differences.sum()) - ROUNDING * np.abs(differences).sum()  # equal sums differ by rounding
    return float((np.abs(sums) >= least).mean())
