"""Digests of values: another version of a library may write the same values as other bytes."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import polars as pl


def ids_digest(ids: pl.Series) -> str:
    """SHA-256 of texts and their lengths, in order."""
    lengths = ids.str.len_bytes().to_numpy().astype("<u4")
    return sha256(lengths.tobytes() + ids.str.join("").item().encode()).hexdigest()


def array_digest(values: np.ndarray) -> str:
    """SHA-256 of the values of an array, as little-endian numbers."""
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return sha256(plain.data).hexdigest()
