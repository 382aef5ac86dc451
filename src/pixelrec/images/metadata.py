"""The table of a folder of pictures that says whose they are, as image folders on the Hub have it.

`metadata.csv`, `metadata.jsonl` or `metadata.parquet` has a column `file_name`, relative to the table, and a
column of item ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from pixelrec.errors import ImageError, first_line
from pixelrec.files.regular import demand_regular

_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "file_name"
_IDS = [
    "itemid",
    "iid",
    "item",
    "asin",
    "parentasin",
    "productid",
    "articleid",
    "movieid",
    "videoid",
    "sku",
    "id",
]


def listed_files(folder: Path) -> list[tuple[str, str]] | None:
    """Item id and file, relative to `folder`, of each row; none where no such table has a column of ids.

    Raises:
        ImageError: a table cannot be read.
    """
    for name in _NAMES:
        if not (folder / name).exists():
            continue
        table = _read(folder / name)
        ids = id_column(table.columns)
        if _FILE in table.columns and ids is not None:
            rows = table.select(ids, _FILE).drop_nulls().cast(pl.String).rows()
            return [(item_id, str(PurePosixPath(file))) for item_id, file in rows]
    return None


def id_column(columns: Sequence[str]) -> str | None:
    """The column that holds ids of items, by its name."""
    plain = {re.sub(r"[\W_]+", "", name).casefold(): name for name in reversed(columns)}
    return next((plain[known] for known in _IDS if known in plain), None)


def _read(path: Path) -> pl.DataFrame:
    try:
        demand_regular(path)
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema=False, glob=False)
        if path.suffix == ".jsonl":
            return pl.read_ndjson(path, infer_schema_length=None)
        return pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ImageError(f"{path}: the table of pictures cannot be read ({first_line(error)})") from error
