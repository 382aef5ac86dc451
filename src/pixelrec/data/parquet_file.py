"""Interactions from Parquet, some row groups at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.console.progress import OnProgress
from pixelrec.data.columns import Columns
from pixelrec.data.csv_file import told_unit
from pixelrec.data.file_kinds import head_of, recognised
from pixelrec.data.parts import Part
from pixelrec.data.timestamps import is_date, seconds_and_fraction, seconds_of_text, wrong_time
from pixelrec.errors import DataError, first_line

ROWS = 4_000_000  # rows decoded at a time
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def read_parquet_blocks(part: Part, columns: Columns, told: OnProgress) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String or integers), `seconds`, perhaps `fraction` and `rating`.

    The first row decides whether times that are text are numbers or dates.

    Raises:
        DataError: the file is damaged, lacks a column, or a value cannot be used; rows count from 1.
    """
    path = part.path
    with damage_named(path):
        table = _table(part)
        names, added = part.find(table.collect_schema().names(), columns)
        rows = table.select(pl.len()).collect().item()
    unit = columns.time_unit
    for start in range(0, rows, ROWS):
        with damage_named(path):
            block = table.select(names.values()).slice(start, ROWS).collect()
        given = {key: block[name] for key, name in names.items()}
        if start == 0 and "time" in given:
            unit = _unit(given["time"], columns, told)
        yield _values(path, given, unit, start).with_columns(**added)


def _table(part: Part) -> pl.LazyFrame:
    if part.frame is not None:
        return part.frame.lazy()
    return pl.scan_parquet(part.path, glob=False, hive_partitioning=False)


def _values(path: Path, given: Mapping[str, pl.Series], unit: TimeUnit | None, start: int) -> pl.DataFrame:
    found = [ids_of(path, given[key], start).alias(key) for key in ("item", "user") if key in given]
    if "time" in given:
        found += _seconds(path, given["time"], unit, start).get_columns()
    if "rating" in given:
        found.append(_ratings(path, given["rating"], start))
    return pl.DataFrame(found)


def _ratings(path: Path, column: pl.Series, start: int) -> pl.Series:
    if not (column.dtype.is_numeric() or column.dtype in _TEXT):
        raise DataError(f"{path}: column {column.name!r} holds {column.dtype}, expected numbers; cast it")
    numbers = column.cast(pl.String).cast(pl.Float64, strict=False) if column.dtype in _TEXT else column
    wrong = ~numbers.cast(pl.Float64).is_finite().fill_null(False)
    _refuse(path, column, start, wrong, "is not a number; mend it or remove the row")
    return numbers.cast(pl.Float64).rename("rating")


def _unit(times: pl.Series, columns: Columns, told: OnProgress) -> TimeUnit | None:
    """The unit of times, by the first; none where it is a date as text."""
    if _begins_with_date(times):
        return None
    if times.dtype.is_temporal() or not len(times) or times[0] is None:
        return columns.time_unit or "s"
    return columns.time_unit or told_unit(str(times[0]), told)


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
    """The ids in a column, as text or integers.

    Raises:
        DataError: one is empty, or the column is of another type; `start` rows stand before them in the file.
    """
    if not (column.dtype.is_integer() or column.dtype in _TEXT):
        raise DataError(
            f"{path}: column {column.name!r} holds {column.dtype}, expected text or integers; cast it"
        )
    ids = column if column.dtype.is_integer() else column.cast(pl.String)
    wrong = ids.is_null() if column.dtype.is_integer() else ids.is_null() | (ids == "")
    _refuse(path, column, start, wrong, "is empty; fill it in or remove the row")
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
