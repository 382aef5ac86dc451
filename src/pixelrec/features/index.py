"""An approximate index of FAISS, for catalogues too large to be searched exactly at every request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, final

import numpy as np

from pixelrec.errors import RequestError

SAMPLE = 1000  # items that the index is compared with the exact search on
_LINKS = 32  # of an item in the graph (HNSW)
_BREADTH = 128  # candidates that are kept while the graph is built and searched


@final
@dataclass(frozen=True)
class Index:
    """A navigable graph (HNSW) over unit vectors; row r of the vectors is number r."""

    faiss: Any
    seconds: float  # that building took

    @classmethod
    def build(cls, unit: np.ndarray) -> Index:
        """unit: float32[n, W] of length 1. Raises `RequestError` where FAISS is not installed."""
        if find_spec("faiss") is None:
            raise RequestError("an index needs FAISS: pip install 'pixelrec[faiss]'; or leave out --index")
        import faiss

        start = time.perf_counter()
        index = faiss.IndexHNSWFlat(unit.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = index.hnsw.efSearch = _BREADTH
        index.add(np.ascontiguousarray(unit, np.float32))
        return cls(index, time.perf_counter() - start)

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and numbers [m, k], best first; number -1 where fewer were found."""
        self.faiss.hnsw.efSearch = max(_BREADTH, 2 * k)
        cosines, numbers = self.faiss.search(np.ascontiguousarray(queries, np.float32), k)
        return cosines, numbers
