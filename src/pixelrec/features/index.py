"""An approximate index of FAISS in a file, for catalogues too large to be searched exactly at every request.

The file is safetensors: the treatment of the vectors, the index, and as metadata what it was built from and
its recall. The vectors are not read again: only queries are treated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from pixelrec.choices import TreatmentName
from pixelrec.errors import FeatureError, demand_library
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.treatment import Treatment
from pixelrec.files.atomic import new_file
from pixelrec.files.regular import demand_regular
from pixelrec.files.tensors import write_tensors

VERSION = "1"
_LINKS = 32  # of an item in the graph (HNSW)
_BREADTH = 128  # candidates that are kept while the graph is built and searched


@final
@dataclass(frozen=True)
class Index:
    """A navigable graph (HNSW) over unit vectors; row r of the vectors is number r."""

    faiss: Any
    treatment: Treatment  # of the vectors, before their length became 1

    @classmethod
    def build(cls, unit: np.ndarray, treatment: Treatment) -> Self:
        """unit: float32[n, W] of length 1."""
        import faiss

        index = faiss.IndexHNSWFlat(unit.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = index.hnsw.efSearch = _BREADTH
        index.add(np.ascontiguousarray(unit, np.float32))
        return cls(index, treatment)

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and numbers [m, k], best first; number -1 where fewer were found."""
        self.faiss.hnsw.efSearch = max(_BREADTH, 2 * k)
        cosines, numbers = self.faiss.search(np.ascontiguousarray(queries, np.float32), k)
        return cosines, numbers

    def write(self, path: Path, key: str, quality: str) -> None:
        """key: as of `key_of`. quality: a line about its recall."""
        import faiss

        content = faiss.serialize_index(self.faiss)
        arrays = {"mean": self.treatment.mean, "scale": self.treatment.scale, "index": content}
        if self.treatment.matrix is not None:
            arrays["matrix"] = self.treatment.matrix
        tensors = {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()}
        about = {"key": key, "quality": quality, "sha256": sha256(content.data).hexdigest()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, FeatureError) as draft:
            write_tensors(draft, tensors, about)


def key_of(features: FeatureFile, treatment: TreatmentName) -> str:
    """Everything that an index depends on."""
    return f"{VERSION} {features.digest} {treatment}"


def stored_index(
    path: Path, key: str, build: Callable[[], tuple[Index, str]], on_note: Callable[[str], object]
) -> Index:
    """The index at `path`, which is built and written there if there is none.

    Raises `RequestError` where FAISS is not installed, and `FeatureError` if the file is damaged or of other
    vectors or another treatment.
    """
    demand_library("faiss", need="an approximate search (--index)", extra="faiss")
    if path.exists() or path.is_symlink():
        index, quality = _read(path, key)
        on_note(f"index {path}: {quality}, when it was built")
        return index
    start = time.perf_counter()
    index, quality = build()
    index.write(path, key, quality)
    on_note(f"index {path}: {quality}; built and stored in {time.perf_counter() - start:.3g} s")
    return index


def _read(path: Path, key: str) -> tuple[Index, str]:
    """The index and the line about its recall."""
    import faiss

    mend = f"delete it, or give --index another file than {path}"
    try:
        demand_regular(path)
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            found, quality, digest = about["key"], about["quality"], about["sha256"]
            if found != key:
                raise FeatureError(f"{path} is an index of other vectors or another treatment; {mend}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
        if sha256(arrays["index"].data).hexdigest() != digest:
            raise ValueError("its digest differs")
        treatment = Treatment(arrays["mean"], arrays["scale"], arrays.get("matrix"), unit=False)
        return Index(faiss.deserialize_index(arrays["index"]), treatment), quality
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise FeatureError(f"{path} is no index, or a damaged one ({error}); {mend}") from error
