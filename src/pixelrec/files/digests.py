"""SHA-256 of files, and of values: another version of a library may write the same values as other bytes."""

from __future__ import annotations

import hashlib
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl

from pixelrec.files.regular import demand_regular


def file_digest(path: Path) -> str:
    """SHA-256 of the bytes of a file; an `OSError` if there is none, or it cannot be read."""
    demand_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ids_digest(ids: pl.Series) -> str:
    """SHA-256 of texts and their lengths, in order."""
    lengths = ids.str.len_bytes().to_numpy().astype("<u4")
    return sha256(lengths.tobytes() + ids.str.join("").item().encode()).hexdigest()


def array_digest(values: np.ndarray) -> str:
    """SHA-256 of the values of an array, as little-endian numbers."""
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return sha256(plain.data).hexdigest()
