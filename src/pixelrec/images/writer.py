"""The only writer of a picture store: batches, each committed whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

import lmdb
import numpy as np

from pixelrec.console.numbers import with_prefix
from pixelrec.console.progress import progress_line
from pixelrec.errors import ImageError, option
from pixelrec.images.covers import Stamp
from pixelrec.images.environment import DATA, KEY, LOCK, PICTURES, STAMPS, failures, open_to_write
from pixelrec.images.manifest import Manifest
from pixelrec.images.records import (
    TRAILER_BYTES,
    cover_size,
    key_of,
    picture_record,
    read_stamp,
    stamp_record,
)

_BATCH_BYTES = 32 << 20
_SPARE = 16 << 20  # for the manifest, the tree and the free list


@final
class StoreWriter:
    """A picture store open for writing; leaving its context keeps all committed batches."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Opens or creates the store; an `ImageError` if `path` holds anything else or has other options."""
        check_place(path)
        self.path = path
        self._waiting: list[tuple[bytes, bytes, bytes | None]] = []
        self._env = open_to_write(path, _SPARE)
        try:
            with failures(path, "write", "; is its disk full?"):
                self._set_up(manifest)
        except BaseException:
            self._env.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        self._env.close()

    def stamps(self) -> dict[bytes, Stamp]:
        """Key → stamp of every picture that was made from a cover and is sound: all of them are read."""
        found, pixels = {}, self.manifest.picture_bytes
        line = progress_line("checking packed pictures", self.count())
        with failures(self.path, "read"), line as advance, self._env.begin(buffers=True) as txn:
            records = txn.cursor(self._stamps)
            for view, record in records:
                advance()
                key = bytes(view)
                stamp = read_stamp(key, bytes(record))
                if stamp is not None and cover_size(key, txn.get(key, b"", self._pictures), pixels):
                    found[key] = stamp[0]
            records.close()
        return found

    def count(self) -> int:
        """Pictures in the store."""
        with self._env.begin() as txn:
            return int(txn.stat(self._pictures)["entries"])

    def begin(self, pictures: int) -> None:
        """Marks the store unfinished and makes room for more; an `ImageError` if the disk has none."""
        page = self._env.stat()["psize"]
        pages = -(-(self.manifest.picture_bytes + TRAILER_BYTES + 16) // page)
        needed = pictures * (pages * page + 1024) + _SPARE
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise ImageError(
                f"the disk of {self.path} has {with_prefix(free)} free, {pictures:,} pictures need "
                f"{with_prefix(needed)}: make room, then run the same command again"
            )
        used = (self._env.info()["last_pgno"] + 1) * page
        self._env.set_mapsize(max(self._env.info()["map_size"], used + needed))
        self._save(replace(self.manifest, complete=False))

    def add(
        self,
        item_id: str,
        pixels: np.ndarray,
        stamp: Stamp | None,
        digest: bytes = b"",
        *,
        shape: tuple[int, int] = (1, 1),
    ) -> None:
        """Adds a picture to the batch.

        Args:
            stamp: of the cover; none: the picture was not made from one.
            digest: of the cover's bytes.
            shape: width and height of the cover, in pixels.
        """
        key = key_of(item_id)
        origin = None if stamp is None else stamp_record(key, stamp, digest)
        self._waiting.append((key, picture_record(key, pixels, *shape), origin))
        if len(self._waiting) * self.manifest.picture_bytes >= _BATCH_BYTES:
            self.commit()

    def commit(self) -> None:
        """Writes the batch. If interrupted, nothing of it is written, and it can be repeated."""

        def put(txn: Any) -> None:
            for key, picture, origin in self._waiting:
                txn.put(key, picture, db=self._pictures)
                if origin is None:
                    txn.delete(key, db=self._stamps)
                else:
                    txn.put(key, origin, db=self._stamps)

        if self._waiting:
            self._write(put)
            self._waiting.clear()

    def drop(self, item_ids: Iterable[str]) -> None:
        """Removes the pictures of these items, if there are any."""
        keys = [key_of(item_id) for item_id in item_ids]

        def delete(txn: Any) -> None:
            for key in keys:
                txn.delete(key, db=self._pictures)
                txn.delete(key, db=self._stamps)

        if keys:
            self._write(delete)

    def finish(self, *, grey: dict[str, str]) -> None:
        """Marks the store complete."""
        self.commit()
        self._save(replace(self.manifest, complete=True, grey=grey, count=self.count()))

    def _save(self, manifest: Manifest) -> None:
        self._write(lambda txn: txn.put(KEY, manifest.to_bytes()))
        self.manifest = manifest

    def _write(self, change: Callable[[Any], object]) -> None:
        """Runs `change` in one transaction, with a larger map whenever it needs one."""
        remedy = "; mend that and run the same command again: what is packed is kept"
        with failures(self.path, "write", remedy):
            while True:
                try:
                    with self._env.begin(write=True) as txn:
                        change(txn)
                    return
                except lmdb.MapFullError:
                    self._env.set_mapsize(int(self._env.info()["map_size"] * 1.5))

    def _set_up(self, manifest: Manifest) -> None:
        """Creates manifest and databases in one transaction: a new store has them all or is empty."""
        with self._env.begin(write=True) as txn:
            if txn.get(KEY) is not None:
                self.manifest = _agreed(Manifest.read(txn, self.path), manifest, self.path)
            elif txn.stat()["entries"]:
                raise foreign(self.path)
            else:
                txn.put(KEY, manifest.to_bytes())
                self.manifest = manifest
            self._pictures = self._env.open_db(PICTURES, txn=txn)
            self._stamps = self._env.open_db(STAMPS, txn=txn)


def foreign(path: Path) -> ImageError:
    """The error for an LMDB of another program."""
    return ImageError(f"{path} is an LMDB but not a picture store: move it away")


def _agreed(found: Manifest, wanted: Manifest, path: Path) -> Manifest:
    """The manifest of the store, brought up to date."""
    if (found.size, found.fit) != (wanted.size, wanted.fit):
        raise ImageError(
            f"the store {path} holds pictures of size {found.size}, fit {found.fit!r}; asked for "
            f"are size {wanted.size}, fit {wanted.fit!r}: ask for the former, or start again "
            f"with {option('overwrite')}"
        )
    decoders = found.decoders | wanted.decoders
    return replace(wanted, complete=found.complete, grey=found.grey, decoders=decoders)


def check_place(path: Path) -> None:
    """Makes the folder of a store; an `ImageError` if it holds files of others or cannot be made."""
    if path.exists() and not path.is_dir():
        raise ImageError(f"{path} is a file, expected a folder for the picture store: move it away")
    if path.is_dir() and (strangers := {p.name for p in path.iterdir()} - {DATA, LOCK}):
        raise ImageError(f"{path} is not a picture store (it holds {sorted(strangers)[0]!r}): move that away")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot make the folder {path}: {error.strerror}") from None
