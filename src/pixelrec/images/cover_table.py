"""Covers in Parquet, as data sets on the Hub have them: a column of pictures and one of item ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import final

import polars as pl

from pixelrec.errors import ImageError, first_line
from pixelrec.images.covers import AbstractCovers, Stamp
from pixelrec.images.decode import Refused
from pixelrec.images.metadata import id_column

_ROWS = 128  # read together
_KEPT = 8  # blocks of rows in memory


@final
class CoverTable(AbstractCovers):
    """The rows of Parquet files.

    A picture is a column of bytes, or a struct with `bytes` and `path`. Without a column of ids, the name of
    the path is the id.
    """

    def __init__(self, place: Path, files: Sequence[Path], item_ids: Iterable[str] | None = None) -> None:
        self.place, self._files = place, list(files)
        wanted = None if item_ids is None else set(item_ids)
        self._columns: list[str] = []
        self.items: dict[str, tuple[int, int]] = {}  # item id → file and row
        again = set()
        for number, file in enumerate(self._files):
            for row, item_id in enumerate(self._ids(file)):
                if item_id is None or (wanted is not None and item_id not in wanted):
                    continue
                if self.items.setdefault(item_id, (number, row)) != (number, row):
                    again.add(item_id)
        self.notes = tuple(
            f"item {each!r} has several covers: the first row is used" for each in sorted(again)
        )
        self._lock = Lock()
        self._blocks: dict[tuple[int, int], pl.Series] = {}

    def stamp(self, item_id: str) -> Stamp | None:
        return Stamp.of(self._files[self.items[item_id][0]])

    def read(self, item_id: str) -> tuple[bytes, Stamp]:
        number, row = self.items[item_id]
        stamp = self.stamp(item_id)
        data = self._block(number, row // _ROWS)[row % _ROWS]
        if not data or stamp is None:
            raise Refused("empty", "0 bytes")
        return data, stamp

    def in_order(self, item_ids: Iterable[str]) -> list[str]:
        return sorted((each for each in item_ids if each in self.items), key=lambda each: self.items[each])

    def _ids(self, file: Path) -> list[str | None]:
        with _named(file):
            table = pl.scan_parquet(file, glob=False)
            schema = table.collect_schema()
            picture, ids = picture_column(schema), id_column(schema.names())
            if picture is None:
                raise ImageError(
                    f"{file}: no column of pictures; the columns are {', '.join(schema.names())}"
                )
            self._columns.append(picture)
            if ids is not None:
                found = table.select(pl.col(ids).cast(pl.String)).collect().to_series()
            elif isinstance(schema[picture], pl.Struct):
                path = pl.col(picture).struct.field("path")
                names = path.str.extract(r"([^/]+?)(?:\.[A-Za-z0-9]+)?$")
                found = table.select(names).collect().to_series()
            else:
                raise ImageError(f"{file}: no column of item ids, such as item_id")
        return found.to_list()

    def _block(self, number: int, block: int) -> pl.Series:
        """The bytes of some rows, of which the last few blocks are kept."""
        with self._lock:
            if (number, block) not in self._blocks:
                file, column = self._files[number], self._columns[number]
                with _named(file):
                    table = pl.scan_parquet(file, glob=False).select(column).slice(block * _ROWS, _ROWS)
                    found = table.collect().to_series()
                if isinstance(found.dtype, pl.Struct):
                    found = found.struct.field("bytes")
                while len(self._blocks) >= _KEPT:
                    del self._blocks[next(iter(self._blocks))]
                self._blocks[number, block] = found
            return self._blocks[number, block]


def picture_column(schema: pl.Schema) -> str | None:
    """The first column of bytes, or of structs with bytes and a path."""
    for name, kind in schema.items():
        fields = {field.name: field.dtype for field in kind.fields} if isinstance(kind, pl.Struct) else {}
        if kind == pl.Binary or (fields.get("bytes") == pl.Binary and "path" in fields):
            return name
    return None


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Turns the errors of Polars about a file into one line."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ImageError(
            f"{file}: not a readable Parquet file ({first_line(error)}); download it again"
        ) from error
