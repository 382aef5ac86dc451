"""The entries of a folder, as formats look at them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import final

from pixelrec.data.columns import named_as
from pixelrec.data.dialect import BY_LOOKING
from pixelrec.data.file_kinds import kind_of_name
from pixelrec.data.text_table import opened, opened_table
from pixelrec.errors import DataError, some_of
from pixelrec.images.folder import SUFFIXES

_HIDDEN = re.compile(r"^[._]|-lock$")  # of systems and Spark, or the lock of an LMDB
_OBJECTS = 100  # whose keys are looked at
_COVERS = ("images", "image", "covers", "cover", "pictures")  # names of folders of covers, or how they end


@final
class Listing:
    """The files and folders in a folder, without hidden ones."""

    def __init__(self, folder: Path) -> None:
        try:
            entries = sorted(each for each in folder.iterdir() if not _HIDDEN.search(each.name))
        except OSError as error:
            raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
        self.folder = folder
        self._headers: dict[Path, list[str]] = {}
        self.files = {each.name: each for each in entries if each.is_file()}
        self.folders = {each.name: each for each in entries if each.is_dir()}

    def ending(self, *suffixes: str) -> list[Path]:
        """Files whose names end so, in any case."""
        return [path for name, path in self.files.items() if name.lower().endswith(suffixes)]

    def one(self, what: str, paths: Sequence[Path]) -> Path | None:
        """The only one of `paths`, or none; a `DataError` if there are several."""
        if len(paths) > 1:
            names = some_of(path.name for path in paths)
            raise DataError(
                f"{self.folder}: several files of {what}: {names}; give one, with the others' options"
            )
        return paths[0] if paths else None

    def header(self, path: Path) -> list[str]:
        """The names of the columns of a table, or the keys of objects; none if there are no names.

        A file that cannot be read has none either: whoever reads it says why.
        """
        if path not in self._headers:
            try:
                self._headers[path] = _header(path)
            except (DataError, ValueError, TypeError, RecursionError):
                self._headers[path] = []
        return self._headers[path]

    def covers(self) -> Path | None:
        """The folder of covers, an LMDB of them, or none."""
        named = [p for name, p in self.folders.items() if name.lower().endswith(_COVERS) and _has_pictures(p)]
        found = [*named, *self.ending(".lmdb")]
        found += [p for name, p in self.folders.items() if name.lower().endswith(".lmdb")]
        return found[0] if found else None

    def unread(self, read: Iterable[Path | None]) -> tuple[str, ...]:
        """A note on the other files, if there are any but covers."""
        taken = {path for path in (*read, self.covers()) if path is not None}
        others = [name for name, path in (self.files | self.folders).items() if path not in taken]
        return (f"not read: {some_of(others)}",) if others else ()


def _header(path: Path) -> list[str]:
    if kind_of_name(path) == "json":
        with opened(path) as stream:
            objects = [json.loads(line) for line in islice(stream, _OBJECTS) if line.strip()]
        return list(dict.fromkeys(key for each in objects for key in each))
    with opened_table(path, BY_LOOKING) as table:
        return table.header if table.dialect.header else []


def columns_of(header: Sequence[str]) -> dict[str, str]:
    """Option → column, of those that have a known name."""
    roles = ("item_column", "user_column", "time_column")
    return {role: name for role in roles if (name := named_as(role, header)) is not None}


def _has_pictures(folder: Path) -> bool:
    return any(each.suffix.lower().lstrip(".") in SUFFIXES or each.is_dir() for each in folder.iterdir())
