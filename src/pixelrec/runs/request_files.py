"""Files of a request: ids of items, and histories of many users."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pixelrec.choices import as_ids
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.columns import Columns, written
from pixelrec.data.csv_file import read_texts
from pixelrec.data.file_kinds import kind_of, kind_of_text
from pixelrec.data.json_file import read_json_table
from pixelrec.data.text_table import TextTable, opened_lines
from pixelrec.errors import DataError, RequestError, first_line
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table
from pixelrec.runs.run import Run

KINDS = ".txt, .csv, .tsv, .jsonl or .parquet"
_ENDINGS = re.compile(r"\.(txt|csv|tsv|jsonl?|parquet)(\.gz)?$")


def ids_or_file(
    values: Iterable[str | int] | Path, name: str, run: Run, told: OnProgress = ignore
) -> list[str]:
    """Ids of items, or those in the file whose path is given, alone.

    told: called with a line about what was found by looking into the file.

    Raises:
        RequestError: a file cannot be used, or the name of one is given that is not there.
    """
    if isinstance(values, Path):
        return read_ids(values, told)
    ids = as_ids(values, name)
    alone = Path(ids[0]) if len(ids) == 1 and "\0" not in ids[0] else None
    if alone and _ENDINGS.search(alone.name) and alone.is_file():
        return read_ids(alone, told)
    if named := next((each for each in ids if _ENDINGS.search(each)), None):
        _demand_named_as_files(named, name, run)
    return ids


def _demand_named_as_files(named: str, name: str, run: Run) -> None:
    """Raises `RequestError` for an id like the name of a file, unless items of the run are named so, too."""
    if not any(map(_ENDINGS.search, run.vocabulary["item_id"])):
        absent = "\0" in named or not Path(named).exists()
        reason = "no such file" if absent else "no file of ids that can be used here"
        raise RequestError(f"{named}: {reason}; {name} takes ids of items, or one file alone: {KINDS}")


def read_ids(path: Path, told: OnProgress = ignore) -> list[str]:
    """Item ids: a line each in a text file, `item_id` of the rows of another one."""
    if not re.search(r"\.txt(\.gz)?$", path.name):
        return _rows(path, told, "item_id")["item_id"].to_list()
    with _explained(path, "an item id in each line"), opened_lines(path) as blocks:
        lines = [line for block in blocks for line in block.body.decode().splitlines()]
    return [line for line in lines if line]


def read_histories(path: Path, told: OnProgress = ignore) -> dict[str, list[str]]:
    """Item ids by user id, from a file of rows: one per event, oldest first within each user.

    Or one per user, with `item_ids`, a list. told: called with a line about what was found by looking.
    """
    return _by_user(_rows(path, told, "user_id", "item_id"))


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


def _rows(path: Path, told: OnProgress, *names: str) -> pl.DataFrame:
    """Columns of ids as text, without rows that lack one; `item_id` of users may be lists."""
    with _explained(path, f"columns {' and '.join(names)}"):
        table = _read(path, names, lambda note: told(f"{path.name}: {note}"))
    return _texts((_listed(table) if "user_id" in names else table).select(names), str(path))


@contextmanager
def _explained(path: Path, expected: str) -> Iterator[None]:
    """Raises `RequestError` for a file that cannot be read as what is `expected`."""
    try:
        demand_regular(path)
        yield
    except FileNotFoundError:
        raise RequestError(f"{path}: no such file; expected {expected}") from None
    except DataError as error:
        raise RequestError(str(error)) from error
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise RequestError(f"{path}: cannot be read ({reason}); expected {expected}") from None


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


def _read(path: Path, names: Sequence[str], told: OnProgress) -> pl.DataFrame:
    """The table of a file of any kind that `prepare` reads."""
    kind = kind_of(path) or kind_of_text(path)
    if kind == "parquet":
        there = list(pl.read_parquet_schema(path))
        _demand_columns(there, names, str(path))
        return read_table(path, [name for name in (*names, "item_ids") if name in there])
    if kind == "json":
        table = read_json_table(path)
        _demand_columns(table.columns, names, str(path))
        return table

    def find(table: TextTable) -> list[str]:
        renamed.update({there: name for name in names if (there := written(name, table.header))})
        _demand_columns([renamed.get(each, each) for each in table.header], names, str(path), lists=False)
        return []  # rows without an id are left out

    renamed: dict[str, str] = {}
    return read_texts(path, Columns(), find, told=told).rename(renamed)
