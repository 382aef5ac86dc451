"""Maps of item vectors: neighbours stay neighbours, and every item has a cell of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.insight.atlas import CLUSTERS, Atlas
from pixelrec.insight.cells import placed, side_for
from pixelrec.insight.projection import components, project


def groups(items: int, width: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around eight centres, and the centre of each."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 8, items)
    vectors = rng.normal(size=(8, width))[which] + 0.3 * rng.normal(size=(items, width))
    return vectors.astype(np.float32), which


def trustworthiness(vectors: np.ndarray, points: np.ndarray, k: int = 8) -> float:
    """1 where the neighbours on the map are those of the vectors, about 0.5 by chance (Venna, Kaski 2001)."""
    far, near = (torch.cdist(each, each) for each in (components(vectors), torch.from_numpy(points * 1.0)))
    n = len(vectors)
    far.fill_diagonal_(torch.inf)
    near.fill_diagonal_(torch.inf)
    ranks = far.argsort(1).argsort(1) + 1
    excess = (ranks.gather(1, near.topk(k, largest=False).indices) - k).clamp(min=0).sum()
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * float(excess)


@pytest.mark.parametrize("landmarks", [300, 120])
def test_neighbours_stay_neighbours(landmarks: int) -> None:
    vectors, _ = groups(300)
    points = project(components(vectors), landmarks=landmarks)
    cells = placed(points, side_for(300)).astype(np.float32)
    assert trustworthiness(vectors, points) > 0.93
    assert trustworthiness(vectors, cells) > 0.88
    assert trustworthiness(vectors, np.random.default_rng(0).permutation(cells)) < 0.6


def test_a_map_is_the_same_on_every_call_and_for_other_lengths() -> None:
    vectors, _ = groups(40)
    first = Atlas.of_vectors(vectors)
    lengths = np.random.default_rng(1).uniform(0.5, 2, (40, 1)).astype(np.float32)
    mean = vectors.mean(0, keepdims=True)
    for other in (vectors, vectors * 1e30, mean + (vectors - mean)):
        again = Atlas.of_vectors(other)
        if other is vectors:
            assert (again.cells == first.cells).all()
        assert (again.clusters == first.clusters).all()
    unit = components(mean + (vectors - mean) * lengths)
    assert unit.norm(dim=1).numpy() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("items", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("kind", ["apart", "equal", "zero", "nan", "huge", "one wide"])
def test_any_vectors_have_a_map(items: int, kind: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(items, 1 if kind == "one wide" else 4)).astype(np.float32)
    if kind in ("equal", "zero"):
        vectors[:] = 1.5 * (kind == "equal")
    if kind == "nan":
        vectors[::2] = np.nan
        vectors[1:2] = np.inf
    if kind == "huge":
        vectors *= np.float32(1e38)
    found = Atlas.of_vectors(vectors)
    assert found.cells.shape == (items, 2) and found.clusters.shape == (items,)
    assert len({tuple(cell) for cell in found.cells.tolist()}) == items
    assert not items or (found.cells.min() >= 0 and found.cells.max() < found.side)
    assert not items or (found.clusters.min() == 0 and found.clusters.max() < CLUSTERS)


@pytest.mark.parametrize("items", [64, 1000, 2049])
@pytest.mark.parametrize("dense", [False, True])
def test_points_get_near_cells_of_their_own(items: int, dense: bool) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(items, 2))
    if dense:
        points[: items // 2] = 0.25 + 1e-9 * rng.normal(size=(items // 2, 2))
    side = side_for(items)
    cells = placed(points, side)
    assert len(np.unique(cells.astype(int) @ [side, 1])) == items <= side * side / 2
    if not dense:
        assert np.abs((cells + 0.5) / side - points).max(1).mean() < 0.06
    else:  # what is dense spreads around its place and no farther than it must
        middle = np.abs((cells[: items // 2] + 0.5) / side - 0.25).max(1)
        assert middle.mean() < 0.25
    with pytest.raises(ValueError, match="do not fit"):
        placed(points, 4)


def test_clusters_are_those_of_the_vectors_the_largest_first() -> None:
    vectors, which = groups(200)
    clusters = Atlas.of_vectors(vectors).clusters
    sizes = np.bincount(clusters)
    assert (np.diff(sizes) <= 0).all()
    pure = sum(np.bincount(which[clusters == c]).max() for c in range(len(sizes)))
    assert pure > 0.95 * 200
