"""k-means: Lloyd's algorithm from k-means++ (Arthur and Vassilvitskii 2007)."""

from __future__ import annotations

import torch
from torch import Tensor

ITERATIONS = 25
_SAMPLE = 256  # vectors per centre that are looked at, at most: more do not make centres better
_BYTES = 128 << 20  # of distances at a time
_GAIN = 1e-4  # least relative gain of an iteration


def kmeans(vectors: Tensor, centres: int, *, seed: int = 0, iterations: int = ITERATIONS) -> Tensor:
    """Centres (k, W) of vectors (n, W), each the mean of the vectors nearest to it.

    Of more than 256 vectors per centre, as many are drawn. A centre that loses all vectors moves to the
    vector that is farthest from its own. Where there are fewer distinct vectors than centres, some centres
    are equal.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(vectors), generator=generator)[: _SAMPLE * centres].to(vectors.device)
    found = _first(vectors[order], centres, generator)
    if len(order) < len(vectors):
        vectors = vectors[order]
    before = torch.inf
    for _ in range(iterations):
        nearest, distances = assign(vectors, found)
        error = float(distances.sum(dtype=torch.float64))
        if error >= before * (1 - _GAIN):
            break
        before = error
        found = _means(vectors, nearest, distances, found)
    return found


def assign(vectors: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each vector, int64[n], the first of equal ones, and its squared distance."""
    lengths = centres.square().sum(1)
    nearest, distances = [], []
    for some in vectors.split(max(1, _BYTES // (4 * len(centres)))):
        to_all = torch.addmm(lengths, some, centres.T, alpha=-2)  # without |x|², which is equal for all
        least, where = to_all.min(1)
        nearest.append(where)
        distances.append((least + some.square().sum(1)).clamp(min=0))
    return torch.cat(nearest), torch.cat(distances)


def _first(sample: Tensor, centres: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centre is drawn with a chance in proportion to its distance from the others."""
    chosen = [sample[0]]
    distances = (sample - chosen[0]).square().sum(1)
    for _ in range(centres - 1):
        total = distances.cumsum(0, dtype=torch.float64)
        drawn = torch.rand((), generator=generator, dtype=torch.float64).item() * float(total[-1])
        row = min(int(torch.searchsorted(total, drawn, right=True)), len(sample) - 1)
        chosen.append(sample[row])
        distances = torch.minimum(distances, (sample - sample[row]).square().sum(1))
    return torch.stack(chosen)


def _means(vectors: Tensor, nearest: Tensor, distances: Tensor, centres: Tensor) -> Tensor:
    counts = torch.bincount(nearest, minlength=len(centres))
    sums = torch.zeros(centres.shape, dtype=torch.float64, device=centres.device)
    for some, where in zip(vectors.split(65_536), nearest.split(65_536), strict=True):
        sums.index_add_(0, where, some.double())
    means = (sums / counts.clamp(min=1)[:, None]).to(vectors.dtype)
    empty = (counts == 0).nonzero()[:, 0]
    if len(empty):
        farthest = distances.argsort(descending=True, stable=True)[: len(empty)]
        means[empty[: len(farthest)]] = vectors[farthest]
    return means
