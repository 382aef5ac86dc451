"""The entries of a folder, as formats look at them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import final

from pixelrec.data.columns import named_as
from pixelrec.data.dialect import BY_LOOKING
from pixelrec.data.file_kinds import kind_of_name
from pixelrec.data.json_file import read_line
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
        self._faults: dict[Path, Exception] = {}
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

        A file that cannot be read has none either: whoever reads it says why, or `demand_readable`.
        """
        if path not in self._headers:
            try:
                self._headers[path] = _header(path)
            except (DataError, ValueError, TypeError, RecursionError) as error:
                self._headers[path], self._faults[path] = [], error
        return self._headers[path]

    def demand_readable(self, paths: Iterable[Path]) -> None:
        """Raises a `DataError` about the first file whose header could not be read."""
        for path in paths:
            self.header(path)
            if fault := self._faults.get(path):
                raise DataError(
                    str(fault) if isinstance(fault, DataError) else f"{path}: no JSON ({fault}); mend it"
                )

    def covers(self) -> Path | None:
        """The folder of covers, an LMDB of them, or none."""
        named = [p for name, p in self.folders.items() if name.lower().endswith(_COVERS) and _has_pictures(p)]
        found = [*named, *self.ending(".lmdb")]
        found += [p for name, p in self.folders.items() if name.lower().endswith(".lmdb")]
        return found[0] if found else None

    def unread(self, read: Iterable[Path | None]) -> list[str]:
        """The names of the other files, and of folders without a file that is read."""
        taken = {each for path in read if path is not None for each in (path, *path.parents)}
        return [name for name, path in (self.files | self.folders).items() if path not in taken]


def _header(path: Path) -> list[str]:
    if kind_of_name(path) == "json":
        with opened(path) as stream:
            objects = [read_line(line) for line in islice(stream, _OBJECTS) if line.strip()]
        return list(dict.fromkeys(key for each in objects for key in each))
    with opened_table(path, BY_LOOKING) as table:
        return table.header if table.dialect.header else []


def columns_of(header: Sequence[str]) -> dict[str, str]:
    """Option → column, of those that have a known name."""
    roles = ("item_column", "user_column", "time_column")
    return {role: name for role in roles if (name := named_as(role, header)) is not None}


def _has_pictures(folder: Path) -> bool:
    return any(each.suffix.lower().lstrip(".") in SUFFIXES or each.is_dir() for each in folder.iterdir())
