"""A fitted baseline as arrays, to be restored without its events and features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from scipy.sparse import csr_array

from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.baselines.baseline import AbstractBaseline

_SPARSE = ("data", "indices", "indptr")


def arrays_of(baseline: AbstractBaseline) -> dict[str, np.ndarray]:
    """Its fields by name: a number has no dimension, a sparse matrix is three arrays, text is bytes."""
    found: dict[str, np.ndarray] = {}
    for field in fields(baseline):  # type: ignore[arg-type]
        value = getattr(baseline, field.name)
        if isinstance(value, csr_array):
            found |= {f"{field.name}.{part}": getattr(value, part) for part in _SPARSE}
        elif isinstance(value, str):
            found[field.name] = np.frombuffer(bytearray(value.encode()), np.uint8)
        else:
            found[field.name] = np.asarray(value)
    return found


def restored(name: str, arrays: Mapping[str, np.ndarray]) -> AbstractBaseline:
    """The baseline of this name that `arrays_of` described."""
    kind = {**BASELINES, **FEATURE_BASELINES}[name]
    values: dict[str, object] = {}
    for key, array in arrays.items():
        field, _, part = key.partition(".")
        if part:
            rows = len(arrays[f"{field}.indptr"]) - 1
            parts = tuple(arrays[f"{field}.{each}"] for each in _SPARSE)
            values[field] = csr_array(parts, shape=(rows, rows))
        elif array.dtype == np.uint8:
            values[field] = array.tobytes().decode()
        else:
            values[field] = array if array.ndim else array.item()
    return kind(**values)
