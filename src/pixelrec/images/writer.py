"""The only writer of a picture store: batches, each committed whole or not at all.

LMDB writes a batch to new pages and then the page that points to them. If the process is killed, the store is
as after the last batch. Packing does not wait for the disk, which would cost a quarter of the speed: after a
*power cut* within a minute of packing, pack again with --overwrite.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

import lmdb
import numpy as np

from pixelrec.console.numbers import with_prefix
from pixelrec.errors import ImageError, option
from pixelrec.images.covers import Stamp
from pixelrec.images.manifest import KEY, PICTURES, STAMP, STAMPS, Manifest, key_of

_BATCH_BYTES = 32 << 20
_SPARE = 16 << 20  # for the manifest, the tree and the free list
MAX_READERS = 1024  # threads and processes that read at once; the first to open the store decides for all


@final
class StoreWriter:
    """A picture store open for writing; leaving its context keeps all committed batches."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Opens or creates the store at `path` for pictures as in `manifest`.

        Raises:
            ImageError: something else lies at `path`, or a store with other options.
        """
        check_place(path)
        self.path = path
        self._waiting: list[tuple[bytes, np.ndarray, bytes | None]] = []
        try:
            self._env = lmdb.open(
                str(path), map_size=_SPARE, max_dbs=2, max_readers=MAX_READERS, sync=False, meminit=False
            )
        except (lmdb.Error, OSError) as error:
            raise ImageError(
                f"cannot write the picture store {path}: {error}; close it first if this process has it open"
            ) from None
        try:
            self._set_up(manifest)
        except lmdb.Error as error:
            self._env.close()
            raise ImageError(f"cannot write the picture store {path}: {error}; is its disk full?") from None
        except BaseException:
            self._env.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        self._env.close()

    def stamps(self) -> dict[bytes, Stamp]:
        """Key → stamp of every picture that was made from a cover."""
        with self._env.begin() as txn, closing(txn.cursor(self._stamps)) as cursor:
            return {key: Stamp(*STAMP.unpack_from(value)) for key, value in cursor}

    def count(self) -> int:
        """Pictures in the store."""
        with self._env.begin() as txn:
            return int(txn.stat(self._pictures)["entries"])

    def begin(self, pictures: int) -> None:
        """Marks the store unfinished and makes room for `pictures` more.

        Raises:
            ImageError: the disk has no room.
        """
        page = self._env.stat()["psize"]
        needed = pictures * (-(-(self.manifest.picture_bytes + 16) // page) * page + 1024) + _SPARE
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise ImageError(
                f"the disk of {self.path} has {with_prefix(free)} free, {pictures:,} pictures need "
                f"{with_prefix(needed)}: make room, then run the same command again"
            )
        used = (self._env.info()["last_pgno"] + 1) * page
        self._env.set_mapsize(max(self._env.info()["map_size"], used + needed))
        self._save(replace(self.manifest, complete=False))

    def add(self, item_id: str, pixels: np.ndarray, stamp: Stamp | None, digest: bytes = b"") -> None:
        """Adds a picture to the batch; no stamp: not made from a cover. `digest` is of the cover's bytes."""
        origin = None if stamp is None else STAMP.pack(*stamp) + digest
        self._waiting.append((key_of(item_id), pixels, origin))
        if len(self._waiting) * self.manifest.picture_bytes >= _BATCH_BYTES:
            self.commit()

    def commit(self) -> None:
        """Writes the batch. If interrupted, nothing of it is written, and it can be repeated."""

        def put(txn: Any) -> None:
            for key, pixels, origin in self._waiting:
                txn.put(key, pixels, db=self._pictures)
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
        self._write(lambda txn: txn.put(KEY, manifest.to_json()))
        self.manifest = manifest

    def _write(self, change: Any) -> None:
        """Runs `change` in one transaction, with a larger map whenever it needs one."""
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    change(txn)
                return
            except lmdb.MapFullError:
                self._env.set_mapsize(int(self._env.info()["map_size"] * 1.5))
            except lmdb.Error as error:
                raise ImageError(
                    f"cannot write the picture store {self.path}: {error} ({with_prefix(self._free())} free "
                    "on its disk); mend that and run the same command again: what is packed is kept"
                ) from None

    def _set_up(self, manifest: Manifest) -> None:
        """Creates manifest and databases in one transaction: a new store has them all or is empty."""
        with self._env.begin(write=True) as txn:
            text = txn.get(KEY)
            if text is None and txn.stat()["entries"]:
                raise ImageError(f"{self.path} is an LMDB but not a picture store: move it away")
            if text is None:
                txn.put(KEY, manifest.to_json())
            self.manifest = manifest if text is None else self._agreed(text, manifest)
            self._pictures = self._env.open_db(PICTURES, txn=txn)
            self._stamps = self._env.open_db(STAMPS, txn=txn)

    def _agreed(self, text: bytes, wanted: Manifest) -> Manifest:
        """The manifest of the store, brought up to date."""
        found = Manifest.from_json(text, self.path)
        if (found.size, found.fit) != (wanted.size, wanted.fit):
            raise ImageError(
                f"the store {self.path} holds pictures of size {found.size}, fit {found.fit!r}; asked for "
                f"are size {wanted.size}, fit {wanted.fit!r}: ask for the former, or start again "
                f"with {option('overwrite')}"
            )
        return replace(
            wanted, complete=found.complete, grey=found.grey, decoders=found.decoders | wanted.decoders
        )

    def _free(self) -> int:
        with suppress(OSError):
            return shutil.disk_usage(self.path).free
        return 0


def check_place(path: Path) -> None:
    """Makes the folder of a store.

    Raises:
        ImageError: it holds files of others, or cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise ImageError(f"{path} is a file, expected a folder for the picture store: move it away")
    if path.is_dir() and (strangers := {p.name for p in path.iterdir()} - {"data.mdb", "lock.mdb"}):
        raise ImageError(f"{path} is not a picture store (it holds {sorted(strangers)[0]!r}): move that away")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot make the folder {path}: {error.strerror}") from None
