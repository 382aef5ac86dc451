"""Controls of an audit: content of other items, or noise.

A model that does as well with them does not use what items look like.
"""

from __future__ import annotations

import numpy as np

SEED = 0
_ROWS = 1024  # drawn together


def exchanged(items: int) -> np.ndarray:
    """int64[N + 1]: the item whose content each of N `items` gets, another one and each once; 0 for 0."""
    order = np.random.default_rng(SEED).permutation(items) + 1
    given = np.zeros(items + 1, np.int64)
    given[order] = np.roll(order, 1)
    return given


def noise_like(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, W or n, R, W) drawn at random: normal, with the mean and deviation of each dimension.

    Codes (integers n, levels) are drawn from those of each level.
    """
    generator = np.random.default_rng(SEED)
    if vectors.dtype.kind != "f":
        drawn = generator.integers(len(vectors), size=vectors.shape)
        return np.take_along_axis(vectors, drawn, axis=0)
    mean, deviation = _moments(vectors)
    noise = np.empty(vectors.shape, vectors.dtype)
    for start in range(0, len(noise), _ROWS):
        some = noise[start : start + _ROWS]
        some[:] = mean + deviation * generator.standard_normal(some.shape, np.float32)
    return noise


def _moments(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each dimension, float32[W]."""
    width, total, squares = vectors.shape[-1], 0.0, 0.0
    for start in range(0, len(vectors), _ROWS):
        some = vectors[start : start + _ROWS].reshape(-1, width).astype(np.float64)
        total, squares = total + some.sum(0), squares + np.square(some).sum(0)
    count = max(1, vectors.size // width)
    mean = np.asarray(total) / count
    variance = np.maximum(np.asarray(squares) / count - mean**2, 0)
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def noise_pictures(numbers: np.ndarray, size: int) -> np.ndarray:
    """uint8 n, S, S, 3 of item numbers n: each item has its own noise, whatever it is loaded with."""
    shape = (size, size, 3)
    drawn = (np.random.default_rng([SEED, number]) for number in numbers.tolist())
    return np.stack([each.integers(0, 256, shape, np.uint8) for each in drawn])
