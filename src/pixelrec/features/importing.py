"""A feature file of the vectors of another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pixelrec.choices import MissingRows, UnknownIds
from pixelrec.errors import FeatureError, some_of
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.features.given import FRAME, GivenVectors
from pixelrec.files.digests import file_digest

_ROWS = 4096  # written together


def import_vectors(
    given: GivenVectors,
    out: Path,
    *,
    items: pl.Series | None = None,
    missing: MissingRows = "error",
    unknown: UnknownIds = "error",
    dtype: str = "float32",
    overwrite: bool = False,
) -> ImportReport:
    """Writes a feature file of the given vectors, in the order of `items`, or else in their own.

    Args:
        given: vectors with ids.
        out: folder of the feature file.
        items: the ids of a data set's items.
        missing: items without a vector: an error, the mean of all given vectors, or no row.
        unknown: vectors of other items: an error, or left out.
        dtype: float32 or float16.
        overwrite: replace a feature file at `out`.

    Raises:
        FeatureError: an id is given twice, missing or unknown; a number is not finite, or too large for
            `dtype`; `out` cannot be written.
    """
    assert given.ids is not None, "callers find the ids first"
    if (twice := given.ids.filter(given.ids.is_duplicated()).unique(maintain_order=True)).len():
        named = some_of(map(repr, twice))
        raise FeatureError(f"{given.path}: items with several vectors: {named}; give each once")
    wanted = given.ids if items is None else items
    rows = _rows(given.ids, wanted)
    absent = wanted.filter(pl.Series(rows < 0))
    if absent.len() and missing == "error":
        raise FeatureError(
            f"{given.path} has no vector for {absent.len():,} of {len(wanted):,} items: "
            f"{some_of(map(repr, absent))}; add them, or give --missing mean or drop"
        )
    others = given.ids.filter(pl.Series(_rows(wanted, given.ids) < 0))
    if others.len() and unknown == "error":
        raise FeatureError(
            f"{given.path} has vectors of {others.len():,} items that are not in the data set: "
            f"{some_of(map(repr, others))}; leave them out with --unknown drop"
        )
    if missing == "drop":
        wanted, rows = wanted.filter(pl.Series(rows >= 0)), rows[rows >= 0]
    mean = _mean(given) if (rows < 0).any() else None
    origin: dict[str, Any] = {"kind": "imported", "file": given.path.name}
    if given.path.is_file() and given.path != FRAME:
        origin["sha256"] = file_digest(given.path)
    if mean is not None:
        origin["mean_for"] = int((rows < 0).sum())
    with writing(out, wanted, given.shape[1:], origin, dtype=dtype, overwrite=overwrite) as writer:
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            block = given.read(np.maximum(some, 0))
            if mean is not None:
                block[some < 0] = mean
            writer.append(block)
    return ImportReport(FeatureFile.open(out), absent.to_list(), others.len(), missing)


@dataclass(frozen=True)
class ImportReport:
    """What was written, and what was missing or left out."""

    features: FeatureFile
    absent: list[str]  # items without a vector
    unknown: int  # vectors that were left out
    missing: MissingRows  # what the absent items got


def _mean(given: GivenVectors) -> np.ndarray:
    total = np.zeros(given.shape[1:])
    for start in range(0, given.shape[0], _ROWS):
        total += given.read(np.arange(start, min(start + _ROWS, given.shape[0]))).sum(0, np.float64)
    return total / given.shape[0]


def _rows(known: pl.Series, wanted: pl.Series | Sequence[str]) -> np.ndarray:
    """int64: where each wanted id stands among the known ones, −1 for nowhere."""
    series = pl.Series("item_id", wanted, dtype=pl.String)
    rows = pl.Series(np.arange(len(known)))
    return series.replace_strict(known, rows, default=-1, return_dtype=pl.Int64).to_numpy()
