"""Files of a request: ids of items, and histories of many users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from pixelrec.choices import as_ids
from pixelrec.errors import RequestError, first_line
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table
from pixelrec.runs.run import Run

SUFFIXES = (".txt", ".csv", ".parquet", ".jsonl")
_ENDINGS = (*SUFFIXES, ".json")


def ids_or_file(values: Iterable[str | int] | Path, name: str, run: Run) -> list[str]:
    """Ids of items, or those in the file whose path is given, alone.

    Raises:
        RequestError: a file cannot be used, or the name of one is given that is not there.
    """
    if isinstance(values, Path):
        return read_ids(values)
    ids = as_ids(values, name)
    alone = Path(ids[0]) if len(ids) == 1 and "\0" not in ids[0] else None
    if alone and alone.suffix in SUFFIXES and alone.is_file():
        return read_ids(alone)
    if named := next((each for each in ids if each.endswith(_ENDINGS)), None):
        _demand_named_as_files(named, name, run)
    return ids


def _demand_named_as_files(named: str, name: str, run: Run) -> None:
    """Raises `RequestError` for an id like the name of a file, unless items of the run are named so, too."""
    if not any(each.endswith(_ENDINGS) for each in run.vocabulary["item_id"]):
        absent = "\0" in named or not Path(named).exists()
        reason = "no such file" if absent else "no file of ids that can be used here"
        raise RequestError(
            f"{named}: {reason}; {name} takes ids of items, or one file alone: {', '.join(SUFFIXES)}"
        )


def read_ids(path: Path) -> list[str]:
    """Item ids: a line each in a .txt file, `item_id` of the rows of another one."""
    if path.suffix != ".txt":
        return _rows(path, "item_id")["item_id"].to_list()
    try:
        demand_regular(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise RequestError(f"{path}: no such file; expected an item id in each line") from None
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
    _demand_columns(table.columns, ("user_id", "item_id"), name)
    table = _listed(table)
    return _by_user(_texts(table.select("user_id", "item_id"), name))


def _by_user(rows: pl.DataFrame) -> dict[str, list[str]]:
    ids = pl.col("item_id")
    ids = ids.explode() if rows["item_id"].dtype == pl.List else ids
    return dict(rows.group_by("user_id", maintain_order=True).agg(ids.drop_nulls()).iter_rows())


def _listed(table: pl.DataFrame) -> pl.DataFrame:
    """With the lists of a table of users as `item_id`."""
    lists = "item_ids" in table.columns
    return table.drop("item_id", strict=False).rename({"item_ids": "item_id"}) if lists else table


def _demand_columns(present: Sequence[str], names: Sequence[str], where: str, *, lists: bool = True) -> None:
    """Raises `RequestError` for an absent column; with `lists`, `item_ids` of users serves as `item_id`."""
    there = {*present, *(["item_id"] if lists and "user_id" in names and "item_ids" in present else [])}
    if absent := [name for name in names if name not in there]:
        shown = ", ".join(map(repr, present[:20])) + (", …" if len(present) > 20 else "")
        raise RequestError(
            f"{where}: no column {absent[0]!r}; the columns are {shown}; expected {' and '.join(names)}: "
            "rename the columns"
        )


def _rows(path: Path, *names: str) -> pl.DataFrame:
    """Columns of ids as text, without rows that lack one; `item_id` of users may be lists."""
    columns = " and ".join(names)
    try:
        table = _read(path, names)
    except FileNotFoundError:
        raise RequestError(f"{path}: no such file; expected one with columns {columns}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise RequestError(f"{path}: cannot be read ({reason}); expected columns {columns}") from None
    return _texts((_listed(table) if "user_id" in names else table).select(names), str(path))


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


def _read(path: Path, names: Sequence[str]) -> pl.DataFrame:
    demand_regular(path)
    if path.suffix == ".jsonl":
        table = pl.read_ndjson(path, infer_schema_length=None)
        _demand_columns(table.columns, names, str(path))
        return table
    if path.suffix != ".parquet":
        header = pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns
        _demand_columns(header, names, str(path), lists=False)
        return pl.read_csv(path, columns=list(names), infer_schema=False, glob=False)
    there = list(pl.read_parquet_schema(path))
    _demand_columns(there, names, str(path))
    return read_table(path, [name for name in (*names, "item_ids") if name in there])
