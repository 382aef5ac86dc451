"""Item information: title, tag, description, counters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pixelrec.data.columns import check_columns
from pixelrec.data.csv_file import is_csv, read_csv_table
from pixelrec.data.parquet_file import damage_named, ids_of, is_parquet
from pixelrec.errors import DataError

TEXTS = frozenset({"title", "tag", "description"})  # never numbers, even where all titles are years
_WHOLE, _DECIMAL = r"^(0|-?[1-9][0-9]{0,17})$", r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"


@dataclass(frozen=True)
class Information:
    """A row per item: `item_id` (String) first, then all other columns of the file."""

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
    table = _read(path, item_column)
    if item_column != "item_id" and "item_id" in table.columns:
        raise DataError(
            f"{path}: has a column 'item_id' besides {item_column!r}; rename or remove one of them"
        )
    table = table.rename({item_column: "item_id"})
    _refuse_duplicates(path, table["item_id"], item_column)
    table = table.select("item_id", *(name for name in table.columns if name != "item_id"))
    return Information(path, table)


def described(item_ids: pl.Series, information: Information | None) -> pl.DataFrame:
    """A row for each of `item_ids`, in their order; nulls where there is no information.

    Raises:
        DataError: there is none of any item, so the information is of another data set.
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
    with damage_named(path):
        table = pl.read_parquet(path, glob=False)
    check_columns(path, table.columns, {"item_column": item_column})
    return table.with_columns(ids_of(path, table[item_column]))


def _read_csv(path: Path, item_column: str) -> pl.DataFrame:
    """CSV, with numbers in columns where every value is one."""
    table = read_csv_table(path, item_column)
    return table.with_columns(_typed(column) for column in table if column.name not in TEXTS | {item_column})


def _typed(column: pl.Series) -> pl.Series:
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
