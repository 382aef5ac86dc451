"""Where covers may be: a folder of files, Parquet with pictures, or an LMDB of another program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pixelrec.images.cover_database import is_database, opened_database
from pixelrec.images.cover_table import CoverTable, picture_column
from pixelrec.images.covers import AbstractCovers
from pixelrec.images.folder import CoverFolder, FileNames, demand_covers


@contextmanager
def opened_covers(
    place: Path, item_ids: Iterable[str] | None = None, named: FileNames | None = None
) -> Iterator[AbstractCovers]:
    """The covers of these items, or all there are.

    Args:
        place: where they are.
        item_ids: whose.
        named: the files of each item in a folder, where their names do not tell.

    Raises:
        ImageError: there are none, or they cannot be read.
    """
    if named is not None:
        yield CoverFolder(place, item_ids, named)
    elif tables := _tables(place):
        yield CoverTable(place, tables, item_ids)
    elif is_database(place):
        with opened_database(place, item_ids) as found:
            yield found
    else:
        yield CoverFolder(place, item_ids)


def demand_source(place: Path) -> None:
    """Raises `ImageError` if no covers can be there, whatever the names of items."""
    if not _tables(place) and not is_database(place):
        demand_covers(place)


def _tables(place: Path) -> list[Path]:
    """The Parquet files with pictures, and damaged ones beside them, which whoever reads them names."""
    if place.is_file():
        return [place] if place.suffix.lower() == ".parquet" else []
    files = {path: _has_pictures(path) for path in sorted(place.rglob("*.parquet"))} if place.is_dir() else {}
    return [path for path, has in files.items() if has is not False] if True in files.values() else []


def _has_pictures(file: Path) -> bool | None:
    """Whether there is a column of pictures; None: the file is damaged."""
    try:
        return picture_column(pl.read_parquet_schema(file)) is not None  # type: ignore[arg-type]
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
