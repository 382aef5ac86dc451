"""A map of item vectors: points in the plane, near each other where the vectors are.

t-SNE (van der Maaten and Hinton 2008) of at most 10,000 vectors drawn at random; any others are placed
among the nearest of these, so that the time grows little with the catalogue.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import demand_library

LANDMARKS = 10_000  # vectors that t-SNE places
PERPLEXITY = 30.0
COMPONENTS = 50  # principal ones, which t-SNE sees
AMONG = 5  # nearest landmarks that another vector is placed among
_FEW = 10  # points: below, two components are the map
_BYTES = 64 << 20  # of distances at a time
_SMALL, _JITTER = 1e-4, 1e-2  # deviation at the start, and how far equal vectors are apart in terms of it


def project(
    points: Tensor, *, landmarks: int = LANDMARKS, seed: int = 0, on_progress: OnProgress = ignore
) -> np.ndarray:
    """A map float32[N, 2] of `components` of vectors (N, C), the same on every call.

    Args:
        points: any numbers.
        landmarks: number of points that t-SNE places.
        seed: of their choice, and of the start.
        on_progress: called with a line of text as the work goes on.

    Raises:
        RequestError: scikit-learn is not installed.
    """
    if len(points) < _FEW or not points.any():
        return points[:, :2].numpy()
    order = np.random.default_rng(seed).permutation(len(points))
    chosen, others = np.sort(order[:landmarks]), np.sort(order[landmarks:])
    demand_library("sklearn", need="the atlas", extra="serve")
    on_progress(f"mapping items: t-SNE of {len(chosen):,}, a minute of processor time for 10,000")
    known = points[chosen]
    placed = torch.empty(len(points), 2)
    placed[chosen] = _tsne(known, seed)
    if len(others):
        on_progress(f"mapping items: placing the other {len(others):,}")
        # The median of their neighbours, unlike the mean, is not in the void between two groups.
        placed[others] = placed[chosen][_nearest(points[others], known, AMONG)].median(1).values
    return placed.numpy()


def components(vectors: np.ndarray) -> Tensor:
    """float32[N, ≤ 50], at least two: principal components of centred vectors (N, D) of length 1.

    Their distances are those of cosines. A vector that is not finite counts as the mean.
    """
    unit = directions(vectors)
    covariance = (unit.T @ unit).double() / max(1, len(unit))
    axes = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :COMPONENTS]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0)  # the sign of a component is arbitrary: fixed here
    found = unit @ axes.float()
    return torch.nn.functional.pad(found, (0, max(0, 2 - found.shape[1])))


def directions(vectors: np.ndarray) -> Tensor:
    """float32[N, D]: centred vectors of length 1; zeros for the mean, and for those that are not finite."""
    rows = torch.from_numpy(np.asarray(vectors, np.float32)).clone()
    finite = rows.isfinite().all(1)
    rows[~finite] = 0
    rows /= rows.abs().max().clamp(min=1e-30) if rows.numel() else 1  # squares of huge numbers overflow
    mean = rows[finite].mean(0, dtype=torch.float64) if finite.any() else rows.new_zeros(rows.shape[1])
    rows -= mean.float()
    rows[~finite] = 0
    lengths = rows.norm(dim=1, keepdim=True)
    # What is left of equal vectors is rounding.
    return torch.where(lengths > 1e-6, rows / lengths.clamp(min=1e-30), 0)


def _tsne(points: Tensor, seed: int) -> Tensor:
    """float32[n, 2] of points (n, C)."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    start = _start(points, seed).numpy()
    made = TSNE(perplexity=perplexity, init=start, random_state=seed, n_jobs=1)
    return torch.from_numpy(made.fit_transform(points.numpy()))


def _start(points: Tensor, seed: int) -> Tensor:
    """float32[n, 2]: two components, small; those of equal points are moved apart."""
    start = points[:, :2] / points[:, 0].std().clamp(min=1e-12)
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed))
    return _SMALL * (start + _JITTER * noise)


def _nearest(points: Tensor, others: Tensor, k: int) -> Tensor:
    """The k nearest of `others` to each point, or as many as there are: int64[n, ≤ k]."""
    lengths, found = others.square().sum(1), []
    for some in points.split(max(1, _BYTES // (4 * len(others)))):
        squares = torch.addmm(lengths, some, others.T, alpha=-2)  # without |x|², which is equal for all
        found.append(squares.topk(min(k, len(others)), dim=1, largest=False).indices)
    return torch.cat(found)
