"""Interactions from CSV, CSV.gz, Parquet or a folder of Parquet parts.

Files are read block by block and ids are replaced by numbers at once, so that memory holds 16 bytes per event
and the strings of one block.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pixelrec.data.columns import Columns
from pixelrec.data.csv_file import is_csv, read_csv_blocks
from pixelrec.data.parquet_file import is_parquet, parts, read_parquet_blocks
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


def source_files(interactions: Path) -> list[Path]:
    """The file itself, or the Parquet parts of a folder by name; a `DataError` if there are none."""
    if interactions.is_dir():
        return parts(interactions)
    if not interactions.is_file():
        absence = "is neither a file nor a folder" if interactions.exists() else "no such file or folder"
        raise DataError(f"{interactions}: {absence}; give a CSV file, a Parquet file or a folder")
    if not (is_csv(interactions) or is_parquet(interactions)):
        raise DataError(
            f"{interactions}: unknown kind of file {interactions.suffix!r}; "
            "expected .csv, .csv.gz, .parquet or a folder of .parquet files"
        )
    return [interactions]


def read_interactions(files: list[Path], columns: Columns) -> Interactions:
    """Reads all `files` in turn and numbers users and items by first appearance.

    Raises:
        DataError: naming file, line or row and column of the first value that cannot be used.
    """
    users, items = _Vocabulary(), _Vocabulary()
    blocks = []
    for file in files:
        for block in (read_csv_blocks if is_csv(file) else read_parquet_blocks)(file, columns):
            numbered = {"user": users.encode(block["user"]), "item": items.encode(block["item"])}
            blocks.append(block.drop("user", "item").with_columns(**numbered))
    if not blocks:
        raise DataError(f"{files[0]}: no interactions: there is a header, but not a single row below it")
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
