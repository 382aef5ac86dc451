"""Covers in an LMDB of another program: a record per item, under its id.

The published benchmark code keeps pickles of decoded pictures. A record may also be a picture file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, final

import lmdb

from pixelrec.choices import Fit
from pixelrec.errors import ImageError
from pixelrec.files.regular import demand_regular
from pixelrec.images.covers import AbstractCovers, Stamp
from pixelrec.images.decode import Decoded, Refused, decode, format_of
from pixelrec.images.environment import DATA, KEY
from pixelrec.images.pages import PageDamage, check_pages, read_metas
from pixelrec.images.pickled import unpickled_picture
from pixelrec.images.square import square

_OTHER_KEYS = frozenset({b"__keys__", b"__len__"})  # which list and count the items


@final
class CoverDatabase(AbstractCovers):
    """The records of an open LMDB."""

    def __init__(self, place: Path, environment: Any, item_ids: Iterable[str] | None) -> None:
        self.place, self._environment = place, environment
        self._file = data_file(place)
        wanted = None if item_ids is None else set(item_ids)
        with _failures(place), environment.begin() as reading:
            keys = [key for key in reading.cursor().iternext(values=False) if key not in _OTHER_KEYS]
        known = (key.decode("utf-8", "replace") for key in keys)
        self.items = frozenset(each for each in known if wanted is None or each in wanted)

    def stamp(self, item_id: str) -> Stamp | None:
        found = Stamp.of(self._file)
        with _failures(self.place), self._environment.begin(buffers=True) as reading:
            record = reading.get(item_id.encode())
            return None if found is None or record is None else Stamp(len(record), found.modified)

    def read(self, item_id: str) -> tuple[bytes, Stamp]:
        stamp = self.stamp(item_id)
        with _failures(self.place), self._environment.begin() as reading:
            record = reading.get(item_id.encode())
        if not record or stamp is None:
            raise Refused("empty", "0 bytes")
        return record, stamp

    def decode(self, item_id: str, data: bytes, *, size: int, fit: Fit) -> Decoded:
        if format_of(data) is not None:
            return decode(data, size=size, fit=fit)
        pixels = unpickled_picture(data, f"{self.place}, item {item_id!r}")
        height, width, _ = pixels.shape
        return Decoded(square(pixels, size, fit), width, height, "pickle", "RGB", "numpy")


@contextmanager
def opened_database(place: Path, item_ids: Iterable[str] | None = None) -> Iterator[CoverDatabase]:
    """The covers of these items, or of all.

    Raises:
        ImageError: it cannot be read, is damaged, or is a picture store of pixelrec.
    """
    file = data_file(place)
    with _failures(place):
        demand_regular(file)
        if metas := read_metas(file):
            check_pages(file, max(metas, key=lambda meta: meta.transaction))
        opened = lmdb.open(str(place), subdir=place.is_dir(), readonly=True, lock=False, max_spare_txns=64)
    with closing(opened):
        with _failures(place), opened.begin() as reading:
            ours = reading.get(KEY)
        if ours is not None:
            raise ImageError(f"{place} is a picture store of pixelrec; give the covers that it was made of")
        yield CoverDatabase(place, opened, item_ids)


def data_file(place: Path) -> Path:
    """The file of an LMDB at `place`: itself, or in its folder."""
    return place / DATA if place.is_dir() else place


def is_database(place: Path) -> bool:
    """Whether there is an LMDB, perhaps a damaged one."""
    try:
        return bool(read_metas(data_file(place)))
    except PageDamage:
        return place.is_dir() or place.suffix.lower() in {".lmdb", ".mdb"}
    except OSError:
        return False


@contextmanager
def _failures(place: Path) -> Iterator[None]:
    try:
        yield
    except PageDamage as error:
        raise ImageError(f"{place}: the LMDB is damaged ({error}); write or download it again") from None
    except (OSError, lmdb.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{place}: the LMDB cannot be read ({reason})") from None
