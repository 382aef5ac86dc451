"""Vectors of other programs: opened, with their ids.

| given | ids come from |
|---|---|
| `.npy`: n, W or n, R, W | a file of ids, a line each; or row r is of item number r, and row 0 padding |
| `.safetensors` with one such tensor | the same |
| `.parquet`: an id and a list of numbers per row | its column of ids |
| a folder of `<item_id>.npy`, one vector each | the names of the files |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors import SafetensorError, safe_open

from pixelrec.errors import FeatureError, first_line, nearest, some_of
from pixelrec.files.array_file import map_array
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table

FRAME = Path("data frame")  # where vectors come from no file
_AGAIN = "write or download it again"


@dataclass(frozen=True)
class GivenVectors:
    """Vectors as another program left them, and the id of each row, if they say it."""

    path: Path
    shape: tuple[int, ...]  # n, W or n, R, W
    ids: pl.Series | None
    read: Callable[[np.ndarray], np.ndarray]  # int64[k] rows → k, …


def open_vectors(
    path: Path, ids: Path | None = None, *, item_column: str = "item_id", vector_column: str = "vector"
) -> GivenVectors:
    """Opens vectors of a kind that the table above lists; the ids come from the file, or from `ids`.

    Raises:
        FeatureError: a file is missing, of another kind, damaged, or has another number of rows than ids.
    """
    readers: dict[str, Callable[[Path], GivenVectors]] = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".parquet": lambda path: _parquet(path, item_column, vector_column),
    }
    if not path.exists():
        raise FeatureError(f"{path}: no such file or folder of vectors")
    if not path.is_dir() and path.suffix.lower() not in readers:
        raise FeatureError(f"{path}: unknown kind of vectors; {nearest(path.suffix, readers)}, or a folder")
    found = _folder(path) if path.is_dir() else readers[path.suffix.lower()](path)
    if ids is None:
        return found
    if found.ids is not None:
        raise FeatureError(f"{path} names the item of each vector itself; leave out --ids")
    return with_ids(found, read_ids(ids, item_column), f"{ids} has")


def with_ids(given: GivenVectors, ids: pl.Series, owner: str) -> GivenVectors:
    """The vectors with an id for each row; `owner` begins the message where the counts differ."""
    if len(ids) != given.shape[0]:
        hint = "; give a row for each id, in their order"
        if len(ids) + 1 == given.shape[0]:
            hint = "; if its row 0 is padding and row r belongs to item number r, give --by-number"
        raise FeatureError(f"{given.path} has {given.shape[0]:,} rows, and {owner} {len(ids):,} ids{hint}")
    return GivenVectors(given.path, given.shape, ids, given.read)


def by_number(given: GivenVectors, items: pl.Series) -> GivenVectors:
    """Row r belongs to item number r, and row 0 is padding, as in the benchmark's published files."""
    if given.shape[0] != len(items) + 1:
        raise FeatureError(
            f"{given.path} has {given.shape[0]:,} rows; expected {len(items) + 1:,}: padding in row 0, and "
            "one for each of the data set's items in the order of their first event; otherwise give --ids"
        )
    shape = (given.shape[0] - 1, *given.shape[1:])
    return GivenVectors(given.path, shape, items, lambda rows: given.read(rows + 1))


def read_ids(path: Path, item_column: str = "item_id") -> pl.Series:
    """Ids, one per row: of a text file, a line each; or of a column of a Parquet or CSV file."""
    try:
        demand_regular(path)
        if path.suffix.lower() in {".parquet", ".csv"}:
            read: Any = read_table if path.suffix.lower() == ".parquet" else _csv
            table = read(path)
            if item_column not in table.columns:
                raise FeatureError(
                    f"{path}: no column {item_column!r}; the columns are {', '.join(table.columns[:20])}; "
                    "name the one of ids with --item-column"
                )
            ids = table[item_column].cast(pl.String)
        else:
            ids = pl.Series(path.read_text("utf-8").splitlines(), dtype=pl.String)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise FeatureError(f"{path}: ids cannot be read ({reason}); expected an id in each line") from error
    if ids.null_count() or (ids == "").any():
        raise FeatureError(f"{path}: an id is empty; give one for each row")
    return ids.rename("item_id")


def _csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False, glob=False)


def _npy(path: Path) -> GivenVectors:
    return _of_array(path, _array(path))


def _array(path: Path) -> np.ndarray:
    try:
        return map_array(path)
    except (OSError, ValueError) as error:
        mend = "write it with numpy.save, as floats, or download it again"
        raise FeatureError(
            f"{path}: not a readable array of numbers ({first_line(error)}); {mend}"
        ) from error


def _safetensors(path: Path) -> GivenVectors:
    try:
        demand_regular(path)
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            if len(names) != 1 and "vectors" not in names:
                raise FeatureError(
                    f"{path} holds tensors {some_of(map(repr, names))}; expected one, or one called 'vectors'"
                )
            array = file.get_tensor("vectors" if "vectors" in names else names[0])
    except (OSError, SafetensorError, TypeError) as error:
        raise FeatureError(
            f"{path}: not a readable safetensors file ({first_line(error)}); {_AGAIN}"
        ) from error
    return _of_array(path, array)


def _of_array(path: Path, array: np.ndarray, ids: pl.Series | None = None) -> GivenVectors:
    if array.ndim not in {2, 3} or 0 in array.shape[1:] or not _is_real(array.dtype):
        found = f"{array.dtype}{list(array.shape)}"
        raise FeatureError(f"{path}: holds {found}; expected numbers, a row per item: n × W, or n × R × W")
    return GivenVectors(path, array.shape, ids, lambda rows: array[rows].astype(np.float32))


def _is_real(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fiu"


def _parquet(path: Path, item_column: str, vector_column: str) -> GivenVectors:
    try:
        table = read_table(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FeatureError(f"{path}: not a readable Parquet file ({first_line(error)}); {_AGAIN}") from error
    return of_table(table, path, item_column, vector_column)


def of_table(
    table: pl.DataFrame, path: Path = FRAME, item_column: str = "item_id", vector_column: str = "vector"
) -> GivenVectors:
    """The vectors in a table with an id and a list of numbers in each row; `path` is for messages.

    Raises:
        FeatureError: a column is missing or of another type, an id is missing, or vectors differ in length.
    """
    for column, word in ((item_column, "item-column"), (vector_column, "vector-column")):
        if column not in table.columns:
            raise FeatureError(
                f"{path}: no column {column!r}; the columns are {', '.join(table.columns[:20])}; name it "
                f"with --{word}"
            )
    ids, lists = table[item_column].cast(pl.String).rename("item_id"), table[vector_column]
    if ids.null_count():
        raise FeatureError(f"{path}: {ids.null_count():,} rows have no id in column {item_column!r}")
    inner = lists.dtype.inner if isinstance(lists.dtype, pl.List | pl.Array) else None
    if inner is None or not inner.is_numeric():
        raise FeatureError(
            f"{path}: column {vector_column!r} is of type {lists.dtype}; expected lists of numbers"
        )
    lists = lists.cast(pl.List(pl.Float32))
    lengths = lists.list.len()
    odd = ids.filter(lengths.is_null() | (lengths != lengths.drop_nulls().first()))
    if odd.len():
        raise FeatureError(f"{path}: vectors differ in length, such as of {some_of(map(repr, odd))}")
    array = lists.list.explode().to_numpy().reshape(len(ids), -1)
    return _of_array(path, array, ids)


def _folder(path: Path) -> GivenVectors:
    files = sorted(each for each in path.iterdir() if each.suffix.lower() == ".npy")
    if not files:
        raise FeatureError(f"{path}: holds no <item_id>.npy")
    first = _single(files[0])

    def read(rows: np.ndarray) -> np.ndarray:
        vectors = [_single(files[int(row)]) for row in rows]
        for row, vector in zip(rows, vectors, strict=True):
            if vector.shape != first.shape:
                raise FeatureError(
                    f"{files[int(row)]}: has shape {list(vector.shape)}, and {files[0].name} "
                    f"{list(first.shape)}"
                )
        return np.stack(vectors)

    ids = pl.Series("item_id", [each.stem for each in files], dtype=pl.String)
    return GivenVectors(path, (len(files), *first.shape), ids, read)


def _single(path: Path) -> np.ndarray:
    array = _array(path)
    if array.ndim not in {1, 2} or not array.size or not _is_real(array.dtype):
        raise FeatureError(f"{path}: holds {array.dtype}{list(array.shape)}; expected a vector of numbers")
    return array.astype(np.float32)
