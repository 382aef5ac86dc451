"""How sure a mean over users is, and whether two models differ: the same users, compared one by one.

Normal approximation throughout: meant for a hundred users and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, inf, sqrt
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelrec.errors import DataError

_REACH = 1.959963984540054  # standard errors on each side of a mean that hold 95 % of a normal distribution


@final
@dataclass(frozen=True)
class Mean:
    """A mean over users and its 95 % interval."""

    mean: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class Interval:
    """A mean difference over users, its 95 % interval, and the two-sided p of no difference."""

    difference: float
    low: float
    high: float
    p: float


def mean(values: ArrayLike) -> Mean:
    """The mean of a metric, float[users] or [seeds, users]; seeds are averaged per user first."""
    middle, error = _mean_and_error(_by_user(values))
    return Mean(middle, middle - _REACH * error, middle + _REACH * error)


def paired(a: ArrayLike, b: ArrayLike) -> Interval:
    """`a` less `b` for the same users in the same order; each float[users] or [seeds, users].

    Seeds are averaged per user first, so the interval speaks of other users, not of other seeds.
    Raises `DataError` where the users differ in number, are fewer than two, or a value is not finite.
    """
    first, second = _by_user(a), _by_user(b)
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} users are compared with {len(second)}; expected the same users on both sides"
        )
    middle, error = _mean_and_error(first - second)
    return Interval(middle, middle - _REACH * error, middle + _REACH * error, _two_sided(middle, error))


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


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """The mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values))


def _two_sided(difference: float, error: float) -> float:
    """P(|Z| ≥ |difference| / error) for a standard normal Z."""
    if error == 0:
        return erfc(inf) if difference else 1.0
    return erfc(abs(difference) / error / sqrt(2))
