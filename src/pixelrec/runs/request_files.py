"""Files of a request: ids of items, and histories of many users."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pixelrec.errors import RequestError, first_line
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table

SUFFIXES = (".txt", ".csv", ".parquet")


def read_ids(path: Path) -> list[str]:
    """Item ids: a line each in a .txt file, the column `item_id` of a .csv or .parquet file."""
    if path.suffix != ".txt":
        return _columns(path, ["item_id"])["item_id"].to_list()
    try:
        demand_regular(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise RequestError(f"{path}: cannot be read: {error}; expected an item id in each line") from None
    return [line for line in lines if line]


def read_histories(path: Path) -> dict[str, list[str]]:
    """Item ids by user id, from a .csv or .parquet file: a row per event, oldest first within each user."""
    return _by_user(_columns(path, ["user_id", "item_id"]))


def histories_of(table: pl.DataFrame, name: str) -> dict[str, list[str]]:
    """The same of a data frame, which messages call `name`."""
    if absent := [column for column in ("user_id", "item_id") if column not in table.columns]:
        shown = ", ".join(map(repr, table.columns[:20]))
        raise RequestError(f"{name} has no column {absent[0]!r}; the columns are {shown}; rename one")
    return _by_user(_texts(table.select("user_id", "item_id"), name))


def _by_user(events: pl.DataFrame) -> dict[str, list[str]]:
    return dict(events.group_by("user_id", maintain_order=True).agg("item_id").iter_rows())


def _columns(path: Path, names: list[str]) -> pl.DataFrame:
    """Columns of ids as text, without rows that lack one."""
    columns = " and ".join(names)
    try:
        if path.suffix == ".parquet":
            table = read_table(path, names)
        else:
            demand_regular(path)
            table = pl.read_csv(path, columns=names, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = first_line(error)
        raise RequestError(f"{path}: cannot be read ({reason}); expected columns {columns}") from None
    return _texts(table, str(path))


def _texts(table: pl.DataFrame, where: str) -> pl.DataFrame:
    names = table.columns
    if odd := [name for name in names if table[name].dtype.is_nested() or table[name].dtype.is_float()]:
        raise RequestError(f"{where}: {odd[0]} is {table[odd[0]].dtype}; expected ids: text or whole numbers")
    return table.cast(pl.String).drop_nulls()
