"""What is known of the items besides who took them: title, tag, description, counters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.data.columns import check_columns
from pixelrec.data.csv_faults import first_fault
from pixelrec.data.csv_file import is_csv, opened, read_header
from pixelrec.data.parquet_file import damage_named, is_parquet
from pixelrec.errors import DataError

if TYPE_CHECKING:
    import polars as pl

TEXTS = frozenset({"title", "tag", "description"})  # never numbers, even where all titles are years
_WHOLE, _DECIMAL = r"^(0|-?[1-9][0-9]{0,17})$", r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"


@dataclass(frozen=True)
class Information:
    """One row an item: `item_id` (String) first, then all other columns of the file."""

    path: Path
    table: pl.DataFrame


def read_information(path: Path, item_column: str) -> Information:
    """Reads a CSV, CSV.gz or Parquet file.

    A CSV column becomes numbers where every value is one; codes with leading zeros or more digits than a
    number can hold, and the columns `title`, `tag` and `description`, stay text.

    Raises:
        DataError: unreadable, no column of ids, an id that is missing or occurs twice.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a CSV or Parquet file with one line for each item")
    try:
        table = _read(path, item_column)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if item_column != "item_id" and "item_id" in table.columns:
        raise DataError(
            f"{path}: has a column 'item_id' besides {item_column!r}; rename or remove one of them"
        )
    table = table.rename({item_column: "item_id"})
    _refuse_duplicates(path, table["item_id"], item_column)
    table = table.select("item_id", *(name for name in table.columns if name != "item_id"))
    return Information(path, table)


def described(item_ids: pl.Series, information: Information | None) -> pl.DataFrame:
    """A row for each of `item_ids`, in their order; nulls where nothing is known.

    Raises:
        DataError: none of the items is known, so the information is of something else.
    """
    items = item_ids.to_frame("item_id")
    if information is None:
        return items
    table = information.table
    if not table["item_id"].is_in(item_ids.implode()).any():
        found = f"ids like {table['item_id'][0]!r}" if table.height else "no ids"
        raise DataError(
            f"{information.path}: no item of the interactions occurs here: the file holds {found}, "
            f"the interactions ids like {item_ids[0]!r}; give the two files of one data set"
        )
    return items.join(table, on="item_id", how="left", maintain_order="left")


def _read(path: Path, item_column: str) -> pl.DataFrame:
    if is_parquet(path):
        return _read_parquet(path, item_column)
    if is_csv(path):
        return _read_csv(path, item_column)
    raise DataError(f"{path}: unknown kind of file {path.suffix!r}; expected .csv, .csv.gz or .parquet")


def _read_parquet(path: Path, item_column: str) -> pl.DataFrame:
    import polars as pl

    with damage_named(path):
        table = pl.read_parquet(path, glob=False)
    check_columns(path, table.columns, {"item_column": item_column})
    ids = table[item_column]
    if not (ids.dtype.is_integer() or ids.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise DataError(f"{path}: column {item_column!r} holds {ids.dtype}, expected text or integers")
    table = table.with_columns(ids.cast(pl.String))
    empty = table[item_column].is_null() | (table[item_column] == "")
    if empty.any():
        raise DataError(f"{path}, row {int(empty.arg_true()[0]) + 1}: {item_column} is empty; remove the row")
    return table


def _read_csv(path: Path, item_column: str) -> pl.DataFrame:
    import polars as pl

    with opened(path) as stream:
        header = read_header(path, stream)
        body = stream.read()
    check_columns(path, header, {"item_column": item_column})
    if len(set(header)) < len(header):
        raise DataError(
            f"{path}: the header names column {_first_double(header)!r} twice; rename or remove one"
        )
    if not body.strip():
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    table = _parsed(path, header, body, header.index(item_column))
    return table.with_columns(_typed(table[name]) for name in header if name not in TEXTS | {item_column})


def _parsed(path: Path, header: list[str], body: bytes, ids: int) -> pl.DataFrame:
    """All columns as text; lines without an id or of another width than the header are faults."""
    import polars as pl

    try:
        schema = dict.fromkeys(header, pl.String)
        table = pl.read_csv(body.lstrip(b"\r\n"), has_header=False, schema=schema)
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise _fault(path, body, header, ids) or DataError(
            f"{path}: not readable as CSV ({reason})"
        ) from error
    named = table[header[ids]].is_not_null() & (table[header[ids]] != "")
    suspect = ~named | table[header[-1]].is_null()  # Polars fills up short lines with nulls
    if suspect.any() and (fault := _fault(path, body, header, ids)):
        raise fault
    return table.filter(named)  # without blank lines


def _fault(path: Path, body: bytes, header: list[str], ids: int) -> DataError | None:
    found = first_fault(body, header, (ids,), None)
    return DataError(f"{path}, line {found.line + 2}: {found.what}") if found else None


def _typed(column: pl.Series) -> pl.Series:
    import polars as pl

    for pattern, kind in ((_WHOLE, pl.Int64), (_DECIMAL, pl.Float64)):
        if column.null_count() < len(column) and column.str.contains(pattern).all():
            return column.cast(kind)
    return column


def _refuse_duplicates(path: Path, ids: pl.Series, name: str) -> None:
    double = ids.is_duplicated()
    if double.any():
        first = ids.filter(double)[0]
        raise DataError(
            f"{path}: {name} {first!r} occurs {int((ids == first).sum())} times"
            f"{_and_others(ids.filter(double).n_unique() - 1)}; keep one line for each item"
        )


def _and_others(count: int) -> str:
    return f" ({count} other id{'s are' if count > 1 else ' is'} doubled too)" if count else ""


def _first_double(names: Iterable[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
