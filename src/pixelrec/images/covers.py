"""The bytes of covers, and the items without a usable one."""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelrec.choices import Fit
from pixelrec.errors import ImageError
from pixelrec.files.atomic import write_text
from pixelrec.files.csv_text import csv_text
from pixelrec.images.decode import MAX_PIXELS, Decoded, Reason, Refused, decode, ready

MAX_BYTES = 1 << 28  # 256 MiB: files are read into memory whole
_NAMED = 3  # items that a message names


class Unusable(NamedTuple):
    """An item without a usable cover."""

    item_id: str
    reason: Reason
    detail: str


class Stamp(NamedTuple):
    """Size and time of a file; if both are unchanged, it is not read again."""

    bytes: int
    modified: int  # nanoseconds since 1970

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """The present stamp of a file; None if it cannot be read."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns)


class AbstractCovers(ABC):
    """Where covers come from: a folder of files, a table, or a database of another program."""

    place: Path
    items: Collection[str]  # the ids of items that have a cover
    expected: str = "no cover"  # of an item without one; {} stands for its id
    notes: tuple[str, ...] = ()  # for items with several covers: which one is used
    others: tuple[str, ...] = ()  # what is there, but of no item

    @abstractmethod
    def stamp(self, item_id: str) -> Stamp | None:
        """The stamp that `read` would give; None if it cannot be read."""

    @abstractmethod
    def read(self, item_id: str) -> tuple[bytes, Stamp]:
        """The bytes of a cover, and their stamp; `Refused` if they cannot be read. May run in threads."""

    def decode(self, item_id: str, data: bytes, *, size: int, fit: Fit) -> Decoded:  # noqa: ARG002
        """The picture that `read` gave; `Refused` if it is none."""
        return decode(data, size=size, fit=fit)

    def in_order(self, item_ids: Iterable[str]) -> list[str]:
        """Those that have a cover, in an order in which reading is quick."""
        return [item_id for item_id in item_ids if item_id in self.items]

    def missing(self, item_ids: Iterable[str]) -> list[Unusable]:
        """The items that have no cover."""
        absent = (item_id for item_id in item_ids if item_id not in self.items)
        return [Unusable(item_id, "missing", self.expected.format(item_id)) for item_id in absent]


def read_cover(path: Path) -> tuple[bytes, Stamp]:
    """The bytes of a cover, and the stamp of its file; `Refused` if it cannot be read."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise Refused("not-a-file", f"{what}, not a file")
        if found.st_size > MAX_BYTES:
            raise Refused("too-large", f"{found.st_size:,} bytes, at most {MAX_BYTES:,} are read")
        data = path.read_bytes()
    except FileNotFoundError:
        raise Refused("missing", f"no {path.name}") from None
    except OSError as error:
        raise Refused("unreadable", error.strerror or str(error)) from None
    if not data:
        raise Refused("empty", "0 bytes")
    return data, Stamp(found.st_size, found.st_mtime_ns)


def read_loose(paths: Sequence[Path], *, size: int, fit: Fit) -> np.ndarray:
    """uint8[n, size, size, 3] of picture files, as in a store.

    Raises:
        ImageError: naming the first file that is no usable picture, with the reason.
    """
    pictures = []
    with ready():
        for path in paths:
            with _named(str(path)):
                pictures.append(decode(read_cover(path)[0], size=size, fit=fit).pixels)
    return np.stack(pictures)


def decode_named(name: str, data: bytes, *, size: int, fit: Fit, most: int = MAX_PIXELS) -> Decoded:
    """A picture of at most `most` pixels that is not in a file; errors as of `read_loose`."""
    with ready(), _named(name):
        if len(data) > MAX_BYTES:
            raise Refused("too-large", f"{len(data):,} bytes, at most {MAX_BYTES:,} are read")
        if not data:
            raise Refused("empty", "0 bytes")
        return decode(data, size=size, fit=fit, most=most)


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise ImageError(
            f"{name}: {refused.reason}: {refused.detail}; expected a picture, such as a JPEG"
        ) from None


def frequencies(values: Iterable[str]) -> dict[str, int]:
    """The number of occurrences of each value, the most frequent first."""
    return dict(Counter(values).most_common())


def list_path(store: Path) -> Path:
    """The file with the list of unusable items of a store, beside it."""
    return store.with_name(store.name + ".unusable.csv")


def write_unusable(unusable: Sequence[Unusable], path: Path) -> None:
    """Writes the list; an empty one removes the file."""
    if not unusable:
        path.unlink(missing_ok=True)
        return
    write_text(path, csv_text([Unusable._fields, *unusable]), ImageError)


def refusal(unusable: Sequence[Unusable], items: int, listed: Path, kept: str) -> ImageError:
    """The error for unusable covers, in one line; if there are many, `listed` is written."""
    many = len(unusable) > _NAMED
    write_unusable(unusable if many else (), listed)
    counts = ", ".join(
        f"{count:,} {reason}" for reason, count in frequencies(u.reason for u in unusable).items()
    )
    named = ", ".join(f"{u.item_id} ({u.detail})" for u in unusable[:_NAMED])
    more = f", …; all are listed in {listed}" if many else ""
    return ImageError(
        f"{len(unusable):,} of {items:,} items {'have' if len(unusable) > 1 else 'has'} no usable cover "
        f"[{counts}]: {named}{more}; {kept}; mend the covers, or use --missing grey or --missing drop-item"
    )
