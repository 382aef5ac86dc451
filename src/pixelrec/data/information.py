"""Item information: title, tag, description, counters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from html import unescape
from pathlib import Path

import polars as pl

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.columns import find_columns, written
from pixelrec.data.csv_file import read_csv_table
from pixelrec.data.file_kinds import Kind, kind_of, kind_of_text, unknown_kind
from pixelrec.data.json_file import read_json_table
from pixelrec.data.parquet_file import damage_named, ids_of
from pixelrec.errors import DataError
from pixelrec.files.table_file import read_table

TEXTS = ("title", "tag", "description")  # never numbers, even where all titles are years
FRAME = Path("items")  # for messages about a frame
_WHOLE, _DECIMAL = r"^(0|-?[1-9][0-9]{0,17})$", r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"


def read_information(
    source: Path | pl.DataFrame,
    id_column: str,
    told: OnProgress = ignore,
    names: Mapping[str, str] | None = None,
    *,
    has_entities: bool = False,
) -> pl.DataFrame:
    """Reads a table in text or Parquet, or takes a frame: a row per item, `item_id` (String) first.

    Args:
        source: the table.
        id_column: its column of ids.
        told: called with a line about what was found by looking.
        names: the columns that are taken, and how they are called then; by default all as they are.
        has_entities: texts are of HTML, and become plain: "Bath &amp; Body".

    The columns `title`, `tag` and `description` become text. Other columns of a CSV file become numbers where
    every value is one; codes with leading zeros or more digits than a number can hold stay text.

    Raises:
        DataError: unreadable, no column of ids, an id that is missing or occurs twice.
    """
    path = source if isinstance(source, Path) else FRAME
    if isinstance(source, Path):
        demand_file(path)
        table, kind = _read(path, id_column, told)
    else:
        table, kind = source, "parquet"
    table, id_column = _typed_table(path, table, id_column, kind, names)
    if has_entities:
        texts = [each for each in table.iter_columns() if each.dtype == pl.String and each.name != id_column]
        table = table.with_columns(map(_without_entities, texts))
    if id_column != "item_id" and "item_id" in table.columns:
        raise DataError(f"{path}: has a column 'item_id' besides {id_column!r}; rename or remove one of them")
    _refuse_duplicates(path, table[id_column], id_column)
    return table.rename({id_column: "item_id"}).select("item_id", pl.exclude("item_id"))


def demand_file(path: Path) -> None:
    """Raises a `DataError` unless `path` is a file: reading a device may never end."""
    if not path.is_file():
        what = "is a folder, pipe or device" if path.exists() else "no such file"
        raise DataError(f"{path}: {what}; give a CSV or Parquet file with one line for each item")


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


def _read(path: Path, id_column: str, told: OnProgress) -> tuple[pl.DataFrame, Kind]:
    kind = kind_of(path) or kind_of_text(path)
    if kind == "parquet":
        with damage_named(path):
            table = read_table(path)
    elif kind == "json":
        table = read_json_table(path)
    elif kind == "csv":
        table = read_csv_table(path, id_column, told=lambda note: told(f"{path.name}: {note}"))
    else:
        raise unknown_kind(path, "expected .csv, .tsv, .dat or .jsonl, perhaps with .gz, or .parquet")
    return table, kind


def _typed_table(
    path: Path, table: pl.DataFrame, id_column: str, kind: Kind, names: Mapping[str, str] | None
) -> tuple[pl.DataFrame, str]:
    """The table with its texts named and typed as such, and its column of ids as it is written there."""
    (id_column,) = find_columns(path, table.columns, {"items_id_column": id_column})
    if names is not None:
        taken = {column: name for column, name in names.items() if column in table.columns}
        table = table.select(
            id_column, *(pl.col(each).alias(taken[each]) for each in taken if each != id_column)
        )
    texts = {
        found: name for name in TEXTS if (found := written(name, table.columns)) not in {None, id_column}
    }
    others = [column for column in table if column.name not in {*texts, id_column}]
    typed = [_text_column(path, table[name]) for name in texts] + [
        _typed(each) for each in others if kind == "csv"
    ]
    return table.with_columns(ids_of(path, table[id_column]).cast(pl.String), *typed).rename(texts), id_column


def _without_entities(texts: pl.Series) -> pl.Series:
    """Plain text of HTML; some was encoded twice: "&amp;amp;"."""
    odd = texts.str.contains(r"&#?\w+;").fill_null(False)
    plain = [unescape(unescape(text)) for text in texts.filter(odd)]
    return texts.scatter(odd.arg_true(), plain) if plain else texts


def _text_column(path: Path, column: pl.Series) -> pl.Series:
    try:
        return as_text(column)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: column {column.name!r} of type {column.dtype} cannot be shown as text "
            f"({str(error).partition(chr(10))[0]}); cast it to text"
        ) from error


def as_text(column: pl.Series) -> pl.Series:
    """Values of any type as people write them: 1984 also of a float, dates as ISO 8601, lists with commas."""
    kind = column.dtype
    if kind.is_float():
        x = pl.col("x").fill_nan(None)
        whole = pl.when((x % 1 == 0) & (x.abs() < 2**53)).then(x)
        texts = pl.coalesce(whole.cast(pl.Int64).cast(pl.String), x.cast(pl.String))
        return column.alias("x").to_frame().select(texts.alias(column.name))[column.name]
    if kind == pl.Date:
        column = column.to_frame().select(pl.when(column.is_between(date.min, date.max)).then(column))[
            column.name
        ]
    if kind == pl.Datetime:
        return column.cast(pl.String).str.replace(r"\.0+(\+|$)", "$1")
    if kind.is_nested() or kind in (pl.Binary, pl.Duration):
        return pl.Series(column.name, [None if v is None else _text(v) for v in column.to_list()], pl.String)
    return column.cast(pl.String)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value if each is not None)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items() if each is not None)
    return str(value)


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
