"""Interactions from Parquet, some row groups at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.data.columns import Columns, check_columns
from pixelrec.data.timestamps import expected, out_of_range, seconds_and_fraction
from pixelrec.errors import DataError

ROWS = 4_000_000  # rows decoded at a time


def is_parquet(path: Path) -> bool:
    return path.suffix.lower() in {".parquet", ".pq"}


def parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder by name, without hidden ones and those that begin with `_`."""
    found = sorted(p for p in folder.iterdir() if is_parquet(p) and p.is_file() and p.name[0] not in "._")
    if not found:
        raise DataError(
            f"{folder}: the folder holds no .parquet file; give a file, or the folder of the parts"
        )
    return found


def read_parquet_blocks(path: Path, columns: Columns) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String), `seconds` and perhaps `fraction`.

    Raises:
        DataError: the file is damaged, lacks a column, or a value cannot be used; rows count from 1.
    """
    item, user, time = columns.roles.values()
    with damage_named(path):
        table = pl.scan_parquet(path, glob=False)
        schema = table.collect_schema()
        check_columns(path, schema.names(), columns.roles)
        rows = table.select(pl.len()).collect().item()
    for start in range(0, rows, ROWS):
        with damage_named(path):
            block = table.select(item, user, time).slice(start, ROWS).collect()
        ids = {"item": ids_of(path, block[item], start), "user": ids_of(path, block[user], start)}
        yield _seconds(path, block[time], columns.time_unit, start).with_columns(**ids)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turns the errors of Polars about a Parquet file into one line."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise DataError(
            f"{path}: not a readable Parquet file ({first_line}); write or download it again"
        ) from error


def ids_of(path: Path, column: pl.Series, start: int = 0) -> pl.Series:
    """The ids in a column as text.

    Raises:
        DataError: one is empty, or the column is of another type; `start` rows stand before them in the file.
    """
    if not (column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise DataError(
            f"{path}: column {column.name!r} holds {column.dtype}, expected text or integers; cast it"
        )
    ids = column.cast(pl.String)
    _refuse(path, column, start, ids.is_null() | (ids == ""), "is empty; fill it in or remove the row")
    return ids


def _seconds(path: Path, column: pl.Series, unit: TimeUnit, start: int) -> pl.DataFrame:
    ticks = column
    if column.dtype == pl.String:
        ticks = column.cast(pl.Int64, strict=False)
        ticks = column.cast(pl.Float64, strict=False) if ticks.null_count() else ticks
    elif isinstance(column.dtype, pl.Decimal):
        ticks = column.cast(pl.Float64)
    elif not (column.dtype.is_numeric() or column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime)):
        raise DataError(f"{path}: column {column.name!r} holds {column.dtype}, expected numbers or datetimes")
    _refuse(path, column, start, column.is_null(), "is empty; fill it in or remove the row")
    unusable = ticks.is_null() | (~ticks.is_finite() if ticks.dtype.is_float() else False)
    _refuse(path, column, start, unusable, f"is not a number; expected {expected(unit)}")
    split = seconds_and_fraction(
        ticks.cast(pl.Int64, strict=False) if ticks.dtype.is_unsigned_integer() else ticks, unit
    )
    wrong = split["seconds"].is_null()
    if wrong.any():
        row = int(wrong.arg_true()[0])
        raise DataError(f"{path}, row {start + row + 1}: {column.name} {out_of_range(column[row], unit)}")
    return split


def _refuse(path: Path, column: pl.Series, start: int, wrong: pl.Series, why: str) -> None:
    if wrong.any():
        row = int(wrong.arg_true()[0])
        value = "" if column[row] in (None, "") else f"{column[row]!r} "
        raise DataError(f"{path}, row {start + row + 1}: {column.name} {value}{why}")
