"""Interactions from CSV, CSV.gz or Parquet files.

Files are read block by block and ids are replaced by numbers at once, so that memory holds 16 bytes per event
and the strings of one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pixelrec.data.columns import Columns
from pixelrec.data.csv_file import read_csv_blocks
from pixelrec.data.parquet_file import read_parquet_blocks
from pixelrec.data.parts import Part
from pixelrec.errors import DataError


@dataclass(frozen=True)
class Interactions:
    """Events in the order of the file, and the two vocabularies.

    `events` has the columns `user` and `item` (Int32, from 1, by first appearance), `seconds` (Int64) and,
    where times are finer than seconds, `fraction` (Float64, in [0, 1)).
    """

    events: pl.DataFrame
    user_ids: pl.Series
    item_ids: pl.Series


def read_interactions(parts: Sequence[Part], columns: Columns) -> Interactions:
    """Reads all `parts` in turn and numbers users and items by first appearance.

    Raises:
        DataError: naming file, line or row and column of the first value that cannot be used.
    """
    users, items = _Vocabulary(), _Vocabulary()
    blocks = []
    for part in parts:
        for block in (read_csv_blocks if part.kind == "csv" else read_parquet_blocks)(part, columns):
            numbered = {"user": users.encode(block["user"]), "item": items.encode(block["item"])}
            blocks.append(block.drop("user", "item").with_columns(**numbered))
    if not blocks:
        raise DataError(f"{parts[0].path}: no interactions: there is a header, but not a single row below it")
    events = pl.concat(blocks, how="diagonal")
    if "fraction" in events.columns:
        events = events.with_columns(pl.col("fraction").fill_null(0.0))
    return Interactions(events, users.ids, items.ids)


class _Vocabulary:
    """Ids in order of first appearance; the r-th has number r."""

    def __init__(self) -> None:
        self.ids = pl.Series("id", [], dtype=pl.String)

    def encode(self, ids: pl.Series) -> pl.Series:
        """The Int32 number of each id; ids not seen before are appended."""
        numbers, known = _numbers_of(self.ids, ids), len(self.ids)
        if numbers.null_count() == 0:
            return numbers
        unseen = ids.filter(numbers.is_null())
        new = unseen.unique(maintain_order=True)
        self.ids.append(new.rename("id"))
        return numbers.scatter(numbers.is_null().arg_true(), _numbers_of(new, unseen) + known)


def _numbers_of(known: pl.Series, ids: pl.Series) -> pl.Series:
    """Int32: the position of each of `ids` in `known`, from 1; null if absent."""
    numbers = pl.int_range(1, len(known) + 1, dtype=pl.Int32, eager=True)
    return ids.replace_strict(known, numbers, default=None, return_dtype=pl.Int32)
