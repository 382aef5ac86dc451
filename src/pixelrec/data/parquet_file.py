"""Interactions from Parquet, some row groups at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.data.columns import Columns
from pixelrec.data.file_kinds import head_of, recognised
from pixelrec.data.parts import Part
from pixelrec.data.timestamps import is_date, seconds_and_fraction, seconds_of_text, wrong_time
from pixelrec.errors import DataError, first_line

ROWS = 4_000_000  # rows decoded at a time
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def read_parquet_blocks(part: Part, columns: Columns) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String), `seconds` and perhaps `fraction`.

    The first row decides whether times that are text are numbers or dates.

    Raises:
        DataError: the file is damaged, lacks a column, or a value cannot be used; rows count from 1.
    """
    path = part.path
    unit: TimeUnit | None = columns.time_unit
    with damage_named(path):
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        names, added = part.find(table.collect_schema().names(), columns)
        rows = table.select(pl.len()).collect().item()
    ids, time = {"item": names[0], "user": names[1]}, names[2]
    for start in range(0, rows, ROWS):
        with damage_named(path):
            block = table.select(name for name in names if name is not None).slice(start, ROWS).collect()
        found = [ids_of(path, block[name], start).alias(key) for key, name in ids.items() if name is not None]
        if time is not None:
            if start == 0 and _begins_with_date(block[time]):
                unit = None
            found += _seconds(path, block[time], unit, start).get_columns()
        yield pl.DataFrame(found).with_columns(**added)


def _begins_with_date(times: pl.Series) -> bool:
    return times.dtype in _TEXT and is_date(times[0] or "")


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turns the errors of Polars about a Parquet file into one line."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        head = head_of(path)
        if not head.startswith(b"PAR1") and (kind := recognised(head)):
            raise DataError(f"{path}: is {kind}") from error
        raise DataError(
            f"{path}: not a readable Parquet file ({first_line(error)}); write or download it again"
        ) from error


def ids_of(path: Path, column: pl.Series, start: int = 0) -> pl.Series:
    """The ids in a column as text.

    Raises:
        DataError: one is empty, or the column is of another type; `start` rows stand before them in the file.
    """
    if not (column.dtype.is_integer() or column.dtype in _TEXT):
        raise DataError(
            f"{path}: column {column.name!r} holds {column.dtype}, expected text or integers; cast it"
        )
    ids = column.cast(pl.String)
    _refuse(path, column, start, ids.is_null() | (ids == ""), "is empty; fill it in or remove the row")
    return ids


def _seconds(path: Path, column: pl.Series, unit: TimeUnit | None, start: int) -> pl.DataFrame:
    """`seconds` and perhaps `fraction` of a column of times; without `unit` it holds dates as text."""
    _refuse(path, column, start, column.is_null(), "is empty; fill it in or remove the row")
    kind = column.dtype
    if kind in _TEXT:
        found = seconds_of_text(column.cast(pl.String), unit)
    elif unit is not None and (kind.is_numeric() or kind in (pl.Date, pl.Datetime)):
        found = seconds_and_fraction(column, unit)
    else:
        raise DataError(
            f"{path}: column {column.name!r} holds {kind}, expected numbers or datetimes; cast it"
        )
    if (wrong := found["seconds"].is_null()).any():
        row = int(wrong.arg_true()[0])
        value = column.to_physical()[row]  # Polars panics where it shows such a date
        what = None if kind in (pl.Date, pl.Datetime) else wrong_time(column.name, str(column[row]), unit)
        outside = f"{column.name} {value} of type {kind} lies outside the years 1 to 9999; mend the value"
        raise DataError(f"{path}, row {start + row + 1}: {what or outside}")
    return found


def _refuse(path: Path, column: pl.Series, start: int, wrong: pl.Series, why: str) -> None:
    if wrong.any():
        row = int(wrong.arg_true()[0])
        value = "" if column[row] in (None, "") else f"{column[row]!r} "
        raise DataError(f"{path}, row {start + row + 1}: {column.name} {value}{why}")
