"""The catalogue of a run as a map: a cell of a grid and a cluster for each item, kept in its checkpoint."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import RequestError, RunError
from pixelrec.features.kmeans import assign, kmeans
from pixelrec.files.atomic import new_file
from pixelrec.files.checkpoint import read_description, read_tensors
from pixelrec.files.digests import array_digest
from pixelrec.files.json_object import digest_of
from pixelrec.files.tensors import write_tensors
from pixelrec.insight import projection
from pixelrec.insight.cells import placed, side_for
from pixelrec.runs.recommend import RecommendationService

FORMAT = 1  # of the file, and of the way the map is made
FILE = "atlas.safetensors"
CLUSTERS = 12  # at most: more colours are not told apart
_ITEMS = 10  # of a cluster, on average, at least


@final
@dataclass(frozen=True, eq=False)
class Atlas:
    """The item of row r, number r + 1, of N items."""

    side: int  # cells along a side of the grid: a power of two
    cells: np.ndarray  # int16[N, 2]: column and row of each item, no two the same
    clusters: np.ndarray  # int16[N]: from 0, the largest first
    key: str  # a digest of all that it depends on

    @classmethod
    def of_vectors(cls, vectors: np.ndarray, key: str = "", on_progress: OnProgress = ignore) -> Self:
        """The map of item vectors (N, D): any number of them, equal or not finite too."""
        points = projection.components(vectors)
        clusters = _clusters(points)
        side = side_for(len(points))
        cells = placed(projection.project(points, on_progress=on_progress), side)
        return cls(side, cells.astype(np.int16), clusters, key)

    @classmethod
    def of(cls, service: RecommendationService, on_progress: OnProgress = ignore) -> Self:
        """That of a run: as kept in its checkpoint, else computed, in a minute for 10,000 items or more.

        It is kept if the folder is writable. Items that were added are not on it.

        Raises:
            RequestError: the run is a blend, or scikit-learn is not installed.
        """
        vectors, weights = vectors_of(service), _weights(service)
        key = _key(service, weights or array_digest(vectors))
        path = service.run.demand_best() / FILE
        found = cls._read(path, len(vectors), key)
        if found is None:
            found = cls.of_vectors(vectors, key, on_progress)
            # Training may have replaced the checkpoint meanwhile.
            if read_description(path.parent)["weights"].get("items", "") == weights:
                found._keep(path)
        return found

    @classmethod
    def _read(cls, path: Path, items: int, key: str) -> Self | None:
        """None if it is missing, damaged, or of other vectors or settings."""
        try:
            found = read_tensors(path)
        except RunError:
            return None
        side = side_for(items)
        cells, clusters, own = (found.get(name, torch.empty(0)) for name in ("cells", "clusters", "key"))
        if own.dtype != torch.uint8 or bytes(own.tolist()).hex() != key:
            return None
        if not _sound(cells, (items, 2), side) or not _sound(clusters, (items,), CLUSTERS):
            return None
        if len(np.unique(cells.numpy().astype(np.int64) @ [side, 1])) < items:
            return None
        return cls(side, cells.numpy(), clusters.numpy(), key)

    def _keep(self, path: Path) -> None:
        key = torch.tensor(list(bytes.fromhex(self.key)), dtype=torch.uint8)
        tensors = {"cells": self.cells, "clusters": self.clusters}
        with suppress(RunError), new_file(path, RunError) as draft:  # a folder may be read-only
            write_tensors(draft, {"key": key, **{k: torch.from_numpy(v) for k, v in tensors.items()}})


def vectors_of(service: RecommendationService) -> np.ndarray:
    """The item vectors (N, D) of a run, without those of added items; a `RequestError` for a blend."""
    if service.trained is None:
        raise RequestError(
            f"{service.run.folder} is a blend, whose items have no vectors of their own; "
            "look at the atlas of a run that it mixes"
        )
    items = service.trained.recommender.spec.items
    vectors: np.ndarray = service.trained.catalogue.encoded[1 : items + 1].float().cpu().numpy()
    return vectors


def _weights(service: RecommendationService) -> str:
    """The digest of the weights of the item encoder; empty where it was published without them."""
    assert service.trained is not None, "a blend has no vectors"
    return str(service.trained.recommender.digests.get("items", ""))


def _key(service: RecommendationService, weights: str) -> str:
    about = service.run.about
    return digest_of(
        {
            "format": FORMAT,
            "weights": weights,
            "pictures": about.get("pictures_fingerprint", ""),
            "items": about["item_ids"],
            "map": [projection.LANDMARKS, projection.COMPONENTS, projection.PERPLEXITY, CLUSTERS],
        }
    )


def _sound(found: Tensor, shape: tuple[int, ...], stop: int) -> bool:
    """Whether a tensor is of this shape, and of whole numbers from 0 to below `stop`."""
    if found.dtype != torch.int16 or found.shape != shape:
        return False
    return not len(found) or (int(found.min()) >= 0 and int(found.max()) < stop)


def _clusters(points: Tensor) -> np.ndarray:
    """int16[N]: the k-means cluster of each point, the largest cluster first."""
    if not len(points):
        return np.zeros(0, np.int16)
    count = min(CLUSTERS, max(1, len(points) // _ITEMS))
    nearest, _ = assign(points, kmeans(points, count))
    sizes = torch.bincount(nearest, minlength=count)
    order = sizes.argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(count)
    return place[nearest].numpy().astype(np.int16)
