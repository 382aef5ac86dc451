"""The formats by name, and which of them a folder has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pixelrec.choices import FolderFormat
from pixelrec.data.formats import amazon, microlens, mmrec, movielens, pixelrec, recbole
from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing
from pixelrec.errors import DataError, option, some_of

_FOLDERS = 50  # that are looked into
FORMATS: Mapping[FolderFormat, Callable[[Listing], GivenFolder | None]] = {
    "pixelrec": pixelrec.recognise,
    "recbole": recbole.recognise,
    "mmrec": mmrec.recognise,
    "movielens": movielens.recognise,
    "amazon": amazon.recognise,
    "microlens": microlens.recognise,
}


def recognise(folder: Path, wanted: FolderFormat | None = None) -> GivenFolder | None:
    """What a folder is; none if it is of no known format, as a folder of parts.

    Args:
        folder: as it was downloaded or written.
        wanted: its format; by default all are tried.

    Raises:
        DataError: it has several formats, lacks a file of one, or is not of the `wanted` one.
    """
    listing = Listing(folder)
    if wanted is not None:
        if (found := FORMATS[wanted](listing)) is None:
            seen = some_of([*listing.files, *(f"{name}/" for name in listing.folders)]) or "nothing"
            raise DataError(f"{folder}: not recognised as {wanted}; it holds {seen}{known_inside(folder)}")
        return found
    found_all = {name: found for name, look in FORMATS.items() if (found := look(listing)) is not None}
    if len(found_all) > 1:
        names = " and ".join(found_all)
        raise DataError(
            f"{folder}: may be of {names}; say which with {option('format', next(iter(found_all)))}"
        )
    return next(iter(found_all.values()), None)


def known_inside(parent: Path) -> str:
    """A hint at the folders inside `parent` that are of a format, for messages; empty if none is."""
    found = []
    for folder in list(Listing(parent).folders.values())[:_FOLDERS]:
        with suppress(DataError):
            below = Listing(folder)
            found += [(folder, each.format) for look in FORMATS.values() if (each := look(below)) is not None]
    if not found:
        return ""
    names = some_of(f"{folder.name} ({name})" for folder, name in found)
    return f"; {parent} holds {names}: to read one alone, give {found[0][0]}"
