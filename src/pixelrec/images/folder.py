"""A folder of covers: the file of each item.

The cover of an item is a file of its name, in the folder or in folders below it: `<item_id>.jpg`,
`010/<item_id>.jpg`, or, for ids with slashes, the path below the folder. Or it is a file in a folder of the
item's name: `<item_id>/0.jpg`. A table beside them, or a column of the items, may name the files instead.
Suffixes count in any case; files with another or none are covers if they start like a picture. Files are
looked up in a listing; no path is built from an id or a name, so none reaches outside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeAlias, final

from pixelrec.errors import ImageError, some_of
from pixelrec.images.covers import AbstractCovers, Stamp, read_cover
from pixelrec.images.decode import START, format_of
from pixelrec.images.metadata import listed_files

SUFFIXES = (
    "jpg",
    "jpeg",
    "jpe",
    "jfif",
    "png",
    "webp",
    "avif",
    "tif",
    "tiff",
    "gif",
    "bmp",
)  # preferred first
_DEPTH = 3  # of folders within the given one
_SKIPPED = re.compile(r"\.|__MACOSX$")  # names of folders that programs keep for themselves
_TRIED = 100  # files without a picture's suffix that are opened to see whether any is a picture
_Owned = dict[str, list[str]]  # item id → its files
FileNames: TypeAlias = Mapping[str, Sequence[str]]  # item id → names or paths of its files


@final
class CoverFolder(AbstractCovers):
    """The files of a folder of covers."""

    expected = "no {}.jpg, .png or the like"

    def __init__(
        self, folder: Path, item_ids: Iterable[str] | None = None, named: FileNames | None = None
    ) -> None:
        """The covers of these items, or every picture under its path without the suffix.

        Args:
            folder: of files, at any depth.
            item_ids: whose covers are looked for.
            named: the files of each item, the first of which is its cover, instead of those of its name.

        Raises:
            ImageError: the folder cannot be listed.
        """
        self.place = folder
        files = list(_files(folder))
        wanted = None if item_ids is None else set(item_ids)
        if named is None:
            owned = _listed_by_metadata(folder, files, wanted) or _by_name(folder, files, wanted)
            owned = {owner: sorted(some, key=_preference) for owner, some in owned.items()}
        else:
            owned, self.expected = _named(files, named), "no file as the column of its cover says"
        self.all = owned  # item id → all of its files, relative to the folder, the cover first
        self.items: dict[str, str] = {owner: some[0] for owner, some in owned.items()}
        used = set(self.items.values())
        self.notes = tuple(sorted(_note(owner, some) for owner, some in owned.items() if len(some) > 1))
        self.others = tuple(sorted(f for f in files if f not in used))

    def stamp(self, item_id: str) -> Stamp | None:
        return Stamp.of(self.place / self.items[item_id])

    def read(self, item_id: str) -> tuple[bytes, Stamp]:
        return read_cover(self.place / self.items[item_id])


def _by_name(folder: Path, files: Sequence[str], wanted: set[str] | None) -> _Owned:
    pictures, unclear = [f for f in files if _rank(f)], [f for f in files if not _rank(f)]
    owned = _assigned(pictures, wanted)
    for owner, some in _assigned(unclear, wanted).items():
        if owner not in owned and (found := [f for f in some if _starts_like_a_picture(folder / f)]):
            owned[owner] = found
    return owned


def _listed_by_metadata(folder: Path, files: Sequence[str], wanted: set[str] | None) -> _Owned:
    """The files that a table in the folder names for each item; none without such a table."""
    listed = listed_files(folder)
    if listed is None:
        return {}
    present, owned = set(files), _Owned()
    for item_id, file in listed:
        if file in present and (wanted is None or item_id in wanted):
            owned.setdefault(item_id, []).append(file)
    return owned


def _named(files: Sequence[str], named: FileNames) -> _Owned:
    """The listed files that items name, by paths in the folder, from above it, or as in an address."""
    present, by_name = set(files), dict[str, list[str]]()
    for file in files:
        by_name.setdefault(file.rpartition("/")[2], []).append(file)
    owned: _Owned = {}
    for item_id, names in named.items():
        for name in names:
            parts = re.sub(r"[?#].*", "", name).replace("\\", "/").split("/")
            ends = ("/".join(parts[start:]) for start in range(len(parts)))
            found = next((end for end in (name, *ends) if end in present), None)
            if found is None and len(parts) == 1 and len(alone := by_name.get(name, [])) == 1:
                found = alone[0]
            if found is not None and found not in owned.setdefault(item_id, []):
                owned[item_id].append(found)
    return {item_id: some for item_id, some in owned.items() if some}


def demand_covers(folder: Path) -> None:
    """Raises `ImageError` if the folder holds no picture, whatever the names of items."""
    unclear = []
    for file in _files(folder):
        if _rank(file):
            return
        unclear.append(file)
    if not any(_starts_like_a_picture(folder / file) for file in islice(unclear, _TRIED)):
        raise ImageError(f"{folder} holds no covers: expected files such as <item_id>.jpg, {held(unclear)}")


def held(files: Sequence[str]) -> str:
    """What a folder holds, for messages."""
    return f"it holds {some_of(map(repr, files))}" if files else "it is empty"


def _files(folder: Path, within: str = "", above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """All files, relative to the folder; also folders that are named like a picture."""
    try:
        stat = (folder / within).stat()
        place = stat.st_dev, stat.st_ino
        with os.scandir(folder / within) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        raise ImageError(f"no folder of covers at {folder}: expected one with <item_id>.jpg") from None
    except NotADirectoryError:
        raise ImageError(
            f"{folder} is a file, expected a folder of covers <item_id>.jpg, or Parquet or LMDB"
        ) from None
    except OSError as error:
        raise ImageError(f"cannot list the covers in {folder / within}: {error.strerror}") from None
    for entry in entries:
        name = f"{within}{entry.name}"
        if _rank(name) or not entry.is_dir():
            yield name
        elif len(above) < _DEPTH and place not in above and not _SKIPPED.match(entry.name):
            yield from _files(folder, f"{name}/", (*above, place))


def _assigned(files: Sequence[str], wanted: set[str] | None) -> _Owned:
    """The files of each item, under its own name first, or its folder's, whichever finds more items."""
    if wanted is None:
        return _owned(files, [[_stem(file)] for file in files], None)
    own = [_own_names(file) for file in files]
    folders = [list(PurePosixPath(file).parts[-2::-1]) for file in files]  # the innermost first
    by_name = _owned(files, [[*a, *b] for a, b in zip(own, folders, strict=True)], wanted)
    if not any(folders):
        return by_name
    by_folder = _owned(files, [[*b, *a] for a, b in zip(own, folders, strict=True)], wanted)
    return by_folder if len(by_folder) > len(by_name) else by_name


def _owned(files: Sequence[str], names: Sequence[Sequence[str]], wanted: set[str] | None) -> _Owned:
    owned: _Owned = {}
    for file, candidates in zip(files, names, strict=True):
        for name in candidates:
            if wanted is None or name in wanted:
                owned.setdefault(name, []).append(file)
                break
    return owned


def _own_names(file: str) -> list[str]:
    """The item ids that a file itself may stand for, the likeliest first."""
    name = file.rpartition("/")[2]
    return [_stem(name), _stem(file), name, file]


def _stem(file: str) -> str:
    """Without the suffix."""
    folder, slash, name = file.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def _rank(file: str) -> int:
    """The place of a file's suffix among those of pictures, from 1; 0: it is none of them."""
    stem, _, suffix = file.rpartition("/")[2].rpartition(".")
    suffix = suffix.lower()
    return SUFFIXES.index(suffix) + 1 if stem and suffix in SUFFIXES else 0


def _preference(file: str) -> tuple[object, ...]:
    """The least is used: the least deep, the first name with numbers in their order, the preferred suffix."""
    parts = re.split(r"([0-9]+)", _stem(file))
    natural = [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]
    return file.count("/"), natural, _rank(file), file != file.lower(), file


def _starts_like_a_picture(path: Path) -> bool:
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            return False
        with path.open("rb") as file:
            return format_of(file.read(START)) is not None
    except OSError:
        return False


def _note(item_id: str, files: Sequence[str]) -> str:
    if len(files) == 2:
        return f"item {item_id!r} has two covers: {files[0]} is used, {files[1]} is not"
    return f"item {item_id!r} has {len(files)} covers: {files[0]} is used, the first by name"
