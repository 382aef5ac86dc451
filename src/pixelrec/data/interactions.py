"""Interactions from tables in text, JSON lines or Parquet files.

Files are read block by block and ids are replaced by numbers at once, so that memory holds 16 bytes per event
and the strings of one block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.columns import Columns
from pixelrec.data.csv_file import read_csv_blocks
from pixelrec.data.dialect import BY_LOOKING, DialectOptions
from pixelrec.data.history_file import read_history_blocks
from pixelrec.data.json_file import read_json_blocks
from pixelrec.data.parquet_file import read_parquet_blocks
from pixelrec.data.parts import Part
from pixelrec.errors import DataError, some_of

_YEAR = 365 * 86_400  # seconds of 1970


@dataclass(frozen=True)
class Interactions:
    """Events in the order of the file, and the two vocabularies.

    `events` has the columns `user` and `item` (Int32, from 1, by first appearance), `seconds` (Int64), where
    times are finer than seconds `fraction` (Float64, in [0, 1)), and where the files say it `split` (Int8:
    0 training, 1 validation, 2 test).
    """

    events: pl.DataFrame
    user_ids: pl.Series
    item_ids: pl.Series
    user_type: pl.DataType  # of the ids in the files
    item_type: pl.DataType
    lower_rated: int = 0  # events that were left out


def read_interactions(
    parts: Sequence[Part],
    columns: Columns,
    options: DialectOptions = BY_LOOKING,
    told: OnProgress = ignore,
) -> Interactions:
    """Reads all `parts` in turn and numbers users and items by first appearance.

    Args:
        parts: the files.
        columns: what is wanted of them.
        options: what is known of the dialect of texts.
        told: called with a line about what was found by looking, once for all files that it is true of.

    Raises:
        DataError: naming file, line or row and column of the first value that cannot be used.
    """
    users, items = _Vocabulary(), _Vocabulary()
    blocks, notes, rows = [], dict[str, list[str]](), 0
    for part in parts:

        def noted(note: str, name: str = part.name) -> None:
            notes.setdefault(note, []).append(name)

        for block in _blocks(part, columns, options, noted):
            rows += block.height
            given = _split(part, _rated(block, columns))
            numbered = {"user": users.encode(given["user"]), "item": items.encode(given["item"])}
            blocks.append(given.drop("user", "item").with_columns(**numbered))
    for note, names in notes.items():
        told(f"{some_of(names)}: {note}")
    if not blocks:
        raise DataError(f"{parts[0].path}: no interactions: there is a header, but not a single row below it")
    events = pl.concat(blocks, how="diagonal")
    if columns.order == "file":
        events = events.with_columns(seconds=pl.int_range(pl.len(), dtype=pl.Int64))
    if not events.height:
        raise DataError(
            f"{some_of(str(each.path) for each in parts)}: no rating is {columns.min_rating} or more"
        )
    if "fraction" in events.columns:
        events = events.with_columns(pl.col("fraction").fill_null(0.0))
    if columns.order == "time" and events["seconds"].is_between(0, _YEAR, closed="left").all():
        where = some_of(part.name for part in parts)
        told(
            f"{where}: times are of 1970: is {columns.time_column!r} the column of times, "
            "and --time-unit right?"
        )
    return Interactions(events, users.ids, items.ids, users.type, items.type, rows - events.height)


def _blocks(
    part: Part, columns: Columns, options: DialectOptions, told: OnProgress
) -> Iterator[pl.DataFrame]:
    if part.kind == "csv":
        return read_csv_blocks(part, columns, options, told)
    if part.kind == "json":
        return read_json_blocks(part, columns, told)
    if part.kind == "histories":
        return read_history_blocks(part)
    return read_parquet_blocks(part, columns, told)


def _rated(block: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    if columns.min_rating is None:
        return block
    return block.filter(pl.col("rating") >= columns.min_rating).drop("rating")


def _split(part: Part, block: pl.DataFrame) -> pl.DataFrame:
    if "split" not in block.columns:
        return block
    labels = block["split"].cast(pl.String)
    if odd := labels.filter(~labels.is_in(["0", "1", "2"])).to_list():
        raise DataError(
            f"{part.path}: the split of an event is {odd[0]!r}; expected 0 (training), 1 (validation) or "
            "2 (test)"
        )
    return block.with_columns(split=labels.cast(pl.Int8))


class _Vocabulary:
    """Ids in order of first appearance; the r-th has number r."""

    def __init__(self) -> None:
        self.ids = pl.Series("id", [], dtype=pl.String)
        self._types: dict[pl.DataType, None] = {}

    @property
    def type(self) -> pl.DataType:
        """Of the ids in the files: an integer that holds all, or else text."""
        if not all(each.is_integer() for each in self._types):
            return pl.String()
        together = pl.concat(
            [pl.Series([], dtype=each).to_frame("x") for each in self._types], how="vertical_relaxed"
        )
        return together["x"].dtype if together["x"].dtype.is_integer() else pl.String()

    def encode(self, ids: pl.Series) -> pl.Series:
        """The Int32 number of each id, text or integer; ids not seen before are appended."""
        self._types.setdefault(ids.dtype)
        ids = ids.cast(pl.String)
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
