"""Recall, NDCG and MRR from ranks alone, as fractions.

Each user has one target, so recall is the hit rate and the ideal DCG is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelrec.errors import DataError, RecipeError


def metrics(ranks: ArrayLike, *, cutoffs: Sequence[int] = (5, 10)) -> dict[str, float]:
    """Mean over users of `Recall@k`, `NDCG@k` and `MRR@k` for each cutoff k, by these names.

    ranks: int[users], 1 is best; NumPy, a list or a tensor in main memory.
    Raises `DataError` for no ranks or others than whole numbers from 1, `RecipeError` for a cutoff below 1.
    """
    checked = _checked(ranks)
    counts = np.bincount(np.minimum(checked, _beyond(cutoffs)), minlength=_beyond(cutoffs) + 1)
    return {
        name: float(gain @ counts[: len(gain)]) / len(checked)  # ranks beyond the gain earn nothing
        for name, gain in _gains(cutoffs)
    }


def per_user(ranks: ArrayLike, *, cutoffs: Sequence[int] = (5, 10)) -> dict[str, NDArray[np.float64]]:
    """The same metrics with one value per user, float64[users], for `significance.paired`."""
    checked = _checked(ranks)
    return {name: np.append(gain, 0.0)[np.minimum(checked, len(gain))] for name, gain in _gains(cutoffs)}


def _gains(cutoffs: Sequence[int]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Each metric's gain by rank, float64[k + 1]; index 0 is unused."""
    _beyond(cutoffs)
    for k in cutoffs:
        rank = np.arange(1, k + 1)
        yield f"Recall@{k}", np.append(0.0, np.ones(k))
        yield f"NDCG@{k}", np.append(0.0, 1 / np.log2(rank + 1))
        yield f"MRR@{k}", np.append(0.0, 1 / rank)


def _beyond(cutoffs: Sequence[int]) -> int:
    """The first rank without gain in any metric."""
    if not cutoffs or min(cutoffs) < 1:
        raise RecipeError(f"cutoffs are {list(cutoffs)}; expected one or more whole numbers from 1")
    return max(cutoffs) + 1


def _checked(ranks: ArrayLike) -> NDArray[np.int64]:
    checked = np.asarray(ranks)
    if checked.ndim != 1 or not checked.size:
        raise DataError(
            f"ranks have the shape {checked.shape}; expected one rank of each of one or more users"
        )
    if not np.issubdtype(checked.dtype, np.integer) or checked.min() < 1:
        raise DataError(f"ranks are {checked.dtype} from {checked.min()}; expected whole numbers from 1")
    return checked.astype(np.int64, copy=False)
