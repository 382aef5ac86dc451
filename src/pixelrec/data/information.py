"""Item information: title, tag, description, counters."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pixelrec.data.columns import check_columns
from pixelrec.data.csv_file import is_csv, read_csv_table
from pixelrec.data.parquet_file import damage_named, ids_of, is_parquet
from pixelrec.errors import DataError

TEXTS = frozenset({"title", "tag", "description"})  # never numbers, even where all titles are years
_WHOLE, _DECIMAL = r"^(0|-?[1-9][0-9]{0,17})$", r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"


def read_information(path: Path, item_column: str) -> pl.DataFrame:
    """Reads a CSV, CSV.gz or Parquet file: a row per item, `item_id` (String) first.

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
    return table.select("item_id", pl.exclude("item_id"))


def described(item_ids: pl.Series, table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """A row for each of `item_ids`, in their order; nulls where there is no information.

    Raises:
        DataError: there is none of any item, so the file at `path` is of another data set.
    """
    if not table["item_id"].is_in(item_ids.implode()).any():
        found = f"ids like {table['item_id'][0]!r}" if table.height else "no ids"
        raise DataError(
            f"{path}: no item of the interactions occurs here: the file holds {found}, "
            f"the interactions ids like {item_ids[0]!r}; give the two files of one data set"
        )
    return item_ids.to_frame("item_id").join(table, on="item_id", how="left", maintain_order="left")


def _read(path: Path, item_column: str) -> pl.DataFrame:
    if is_parquet(path):
        with damage_named(path):
            table = pl.read_parquet(path, glob=False)
        check_columns(path, table.columns, {"item_column": item_column})
        return table.with_columns(ids_of(path, table[item_column]))
    if is_csv(path):
        table = read_csv_table(path, item_column)
        return table.with_columns(
            _typed(column) for column in table if column.name not in TEXTS | {item_column}
        )
    raise DataError(f"{path}: unknown kind of file {path.suffix!r}; expected .csv, .csv.gz or .parquet")


def _typed(column: pl.Series) -> pl.Series:
    for pattern, kind in ((_WHOLE, pl.Int64), (_DECIMAL, pl.Float64)):
        if column.null_count() < len(column) and column.str.contains(pattern).all():
            return column.cast(kind)
    return column


def _refuse_duplicates(path: Path, ids: pl.Series, name: str) -> None:
    double = ids.is_duplicated()
    if double.any():
        first, others = ids.filter(double)[0], ids.filter(double).n_unique() - 1
        too = f" ({others} other id{'s are' if others > 1 else ' is'} doubled too)" if others else ""
        times = int((ids == first).sum())
        raise DataError(f"{path}: {name} {first!r} occurs {times} times{too}; keep one line for each item")
