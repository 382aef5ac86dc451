"""Files of a request: ids of items, and histories of many users."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from pixelrec.choices import as_ids
from pixelrec.errors import RequestError, first_line
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table

SUFFIXES = (".txt", ".csv", ".parquet", ".jsonl")


def ids_or_file(values: Iterable[str | int] | Path, name: str) -> list[str]:
    """Ids of items, or those in the file whose path is given, alone."""
    if isinstance(values, Path):
        return read_ids(values)
    ids = as_ids(values, name)
    alone = Path(ids[0]) if len(ids) == 1 and "\0" not in ids[0] else None
    return read_ids(alone) if alone and alone.suffix in SUFFIXES and alone.is_file() else ids


def read_ids(path: Path) -> list[str]:
    """Item ids: a line each in a .txt file, `item_id` of the rows of another one."""
    if path.suffix != ".txt":
        return _rows(path, "item_id")["item_id"].to_list()
    try:
        demand_regular(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise RequestError(f"{path}: cannot be read: {error}; expected an item id in each line") from None
    return [line for line in lines if line]


def read_histories(path: Path) -> dict[str, list[str]]:
    """Item ids by user id, from a file of rows: one per event, oldest first within each user.

    Or one per user, with `item_ids`, a list.
    """
    return _by_user(_rows(path, "user_id", "item_id"))


def histories_of(table: pl.DataFrame, name: str) -> dict[str, list[str]]:
    """The same of a data frame, which messages call `name`."""
    table = _listed(table)
    if absent := [column for column in ("user_id", "item_id") if column not in table.columns]:
        shown = ", ".join(map(repr, table.columns[:20]))
        raise RequestError(f"{name} has no column {absent[0]!r}; the columns are {shown}; rename one")
    return _by_user(_texts(table.select("user_id", "item_id"), name))


def _by_user(rows: pl.DataFrame) -> dict[str, list[str]]:
    ids = pl.col("item_id")
    ids = ids.explode() if rows["item_id"].dtype == pl.List else ids
    return dict(rows.group_by("user_id", maintain_order=True).agg(ids.drop_nulls()).iter_rows())


def _listed(table: pl.DataFrame) -> pl.DataFrame:
    """With the lists of a table of users as `item_id`."""
    lists = "item_ids" in table.columns
    return table.drop("item_id", strict=False).rename({"item_ids": "item_id"}) if lists else table


def _rows(path: Path, *names: str) -> pl.DataFrame:
    """Columns of ids as text, without rows that lack one; `item_id` of users may be lists."""
    columns = " and ".join(names)
    try:
        table = _read(path, names)
        found = (_listed(table) if "user_id" in names else table).select(names)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = first_line(error)
        raise RequestError(f"{path}: cannot be read ({reason}); expected columns {columns}") from None
    return _texts(found, str(path))


def _texts(table: pl.DataFrame, where: str) -> pl.DataFrame:
    """Ids as text; `item_id` beside `user_id` may be lists of them."""
    kinds: dict[str, pl.DataType] = {}
    for name, kind in table.schema.items():
        lists = isinstance(kind, pl.List) and name == "item_id" and "user_id" in table.columns
        inner = kind.inner if isinstance(kind, pl.List) and lists else kind
        if inner.is_nested() or inner.is_float():
            raise RequestError(f"{where}: {name} is {kind}; expected ids: text or whole numbers")
        kinds[name] = pl.List(pl.String()) if lists else pl.String()
    return table.cast(kinds).drop_nulls()  # type: ignore[arg-type]


def _read(path: Path, names: Iterable[str]) -> pl.DataFrame:
    demand_regular(path)
    if path.suffix == ".jsonl":
        return pl.read_ndjson(path, infer_schema_length=None)
    if path.suffix != ".parquet":
        return pl.read_csv(path, columns=list(names), infer_schema=False, glob=False)
    there = pl.read_parquet_schema(path)
    return read_table(path, [name for name in (*names, "item_ids") if name in there])
