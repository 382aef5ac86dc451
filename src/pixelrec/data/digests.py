"""Digests of a data set: the numbers of users and items, and which events there were, when, in which order.

Of the values, not of the bytes of files, which another version of a library may write differently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

import numpy as np
import polars as pl


def array_digest(values: np.ndarray) -> str:
    """SHA-256 of the values of an array, as little-endian numbers."""
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return sha256(plain.data).hexdigest()


def ids_digest(ids: pl.Series) -> str:
    """SHA-256 of texts and their lengths, in order."""
    lengths = ids.str.len_bytes().to_numpy().astype("<u4")
    return sha256(lengths.tobytes() + ids.str.join("").item().encode()).hexdigest()


def combined_digest(digests: Mapping[str, str]) -> str:
    """One digest of several with their names."""
    return sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()
