"""Reading pictures: a memory-mapped store shared by threads and safe across forks.

A picture is copied once, from the page cache into its row of the batch.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, final
from weakref import WeakValueDictionary

import numpy as np

from pixelrec.choices import Fit
from pixelrec.errors import ImageError, some_of
from pixelrec.files.regular import demand_regular
from pixelrec.images.environment import DATA, PICTURES, STAMPS, failures, not_a_store, open_to_read
from pixelrec.images.manifest import Manifest
from pixelrec.images.records import cover_size, key_of, read_stamp


@final
class PictureStore:
    """The pictures of a packed store, by item id. Make one with `open`.

    May be used by many threads at once, after a fork, while another process packs more into it, and sent to
    other processes, which open it themselves. LMDB allows one environment of a store in a process, and
    forbids its use across a fork: opening a store that is open gives the same object.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._identity = path, _identity(path)
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._sound: set[str] = set()  # items whose picture has the checksum it was packed with
        self._opened: Any = open_to_read(path)
        try:
            self.manifest = self._complete_manifest()
        except BaseException:
            self.close()
            raise
        self.size = self.manifest.size  # height and width of every picture, in pixels
        self.fit: Fit = self.manifest.fit  # how covers were made square
        self.grey: Mapping[str, str] = self.manifest.grey  # items without a cover → the reason

    @classmethod
    def open(cls, path: Path | str) -> PictureStore:
        """Opens a complete store.

        Raises:
            ImageError: it is absent, unfinished or of another version.
        """
        path = Path(path)
        with _stores_lock:
            store = _stores.get(_identity(path))
            if store is None or not store.is_open:
                store = cls(path.resolve())
                _stores[store._identity] = store
            return store

    @property
    def is_open(self) -> bool:
        return self._opened is not None

    def __len__(self) -> int:
        with self._transaction() as txn:
            return int(txn.stat()["entries"])

    def __contains__(self, item_id: str) -> bool:
        return not self.missing([item_id])

    def read(self, item_ids: Sequence[str], *, out: np.ndarray | None = None) -> np.ndarray:
        """The pictures of n items, in the given order, as uint8[n, size, size, 3], RGB, contiguous.

        Args:
            out: filled and returned if given: memory that is page-locked, shared or reused.

        Raises:
            ImageError: naming items that are not in the store, or whose picture is damaged.
        """
        shape = (len(item_ids), self.size, self.size, 3)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != "uint8" or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.dtype}{list(out.shape)}, expected contiguous uint8{list(shape)}")
        count = self.manifest.picture_bytes
        rows, absent = out.reshape(len(item_ids), count), []
        uint8, frombuffer, sound = np.uint8, np.frombuffer, self._sound
        with self._transaction() as txn:
            get = txn.get
            for row, item_id in enumerate(item_ids):
                found = get(key_of(item_id))
                if found is None:
                    absent.append(item_id)
                    continue
                if item_id not in sound:  # checked once in a process: it takes longer than reading
                    self._cover_size(item_id, found)
                rows[row] = frombuffer(found, uint8, count)
        if absent:
            raise ImageError(_absence(self.path, absent, len(item_ids)))
        return out

    def aspects(self, item_ids: Sequence[str]) -> np.ndarray:
        """Width / height at which the pictures of n items look as their covers do: float32[n].

        That of the cover if the store stretched it to a square, else 1. Raises `ImageError` as `read` does.
        """
        covers = np.empty((len(item_ids), 2), np.uint32)
        with self._transaction() as txn:
            for row, item_id in enumerate(item_ids):
                found = txn.get(key_of(item_id))
                if found is None:
                    raise ImageError(_absence(self.path, [item_id], len(item_ids)))
                covers[row] = self._cover_size(item_id, found)
        return np.divide(*covers.T, dtype=np.float32) if self.fit == "stretch" else np.ones(len(covers), "f4")

    def missing(self, item_ids: Sequence[str]) -> list[str]:
        """The items without a picture in the store."""
        with self._transaction() as txn:
            return [item_id for item_id in item_ids if txn.get(key_of(item_id)) is None]

    def digests(self, item_ids: Sequence[str]) -> list[str]:
        """A digest of the cover of each item, in hexadecimal, "grey" where it has none.

        Raises `ImageError` if one was changed.
        """
        found = []
        with self._transaction(STAMPS) as txn:
            for item_id in item_ids:
                key = key_of(item_id)
                record = txn.get(key)
                stamp = None if record is None else read_stamp(key, bytes(record))
                if record is not None and stamp is None:
                    raise self._damaged("digest of the cover", item_id)
                found.append("grey" if stamp is None else stamp[1].hex())
        return found

    def fingerprint(self, item_ids: Sequence[str]) -> str:
        """SHA-256 of the covers of these items, in this order, and of the options of packing.

        The same covers packed again, anywhere, give the same; pixels are not read.
        """
        made = {name: getattr(self.manifest, name) for name in ("size", "fit", "channels", "filter")}
        digest = sha256(json.dumps(made, sort_keys=True).encode())
        for item_id, cover in zip(item_ids, self.digests(item_ids), strict=True):
            digest.update(key_of(item_id) + b"\0" + cover.encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Closes the store for the whole process; needed only before packing into it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return PictureStore.open, (self.path,)

    def __repr__(self) -> str:
        return f"PictureStore({str(self.path)!r}, size={self.size}, fit={self.fit!r})"

    @contextmanager
    def _transaction(self, database: bytes | None = PICTURES) -> Iterator[Any]:
        """A transaction that reads one of the databases; none: the main one."""
        if self._pid != os.getpid():
            self._reopen()
        if self._opened is None:
            raise ImageError(f"the picture store {self.path} was closed: open it again")
        env = self._opened
        with (
            failures(self.path, "read"),
            env.begin(db=env.open_db(database, create=False), buffers=True) as txn,
        ):
            yield txn

    def _cover_size(self, item_id: str, record: Any) -> tuple[int, int]:
        """Width and height of an item's cover; an `ImageError` if its picture is damaged."""
        found = cover_size(key_of(item_id), record, self.manifest.picture_bytes)
        if found is None:
            raise self._damaged("picture", item_id)
        self._sound.add(item_id)
        return found

    def _damaged(self, what: str, item_id: str) -> ImageError:
        return ImageError(
            f"the picture store {self.path} is damaged (the {what} of item {item_id!r} was changed): "
            "`pixelrec images pack` packs that cover again"
        )

    def _reopen(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                if self._opened is not None:
                    self._opened.close()  # the child's copy; the parent's stays as it is
                    if _identity(self.path) != self._identity:
                        raise ImageError(f"the picture store {self.path} was replaced: open it again")
                    self._opened = open_to_read(self.path)
                self._pid = os.getpid()

    def _complete_manifest(self) -> Manifest:
        with self._transaction() as txn:
            count = txn.stat()["entries"]
        with self._transaction(None) as txn:
            manifest = Manifest.read(txn, self.path)
        if not manifest.complete:
            raise ImageError(
                f"packing of {self.path} is unfinished, {count:,} of {manifest.expected:,} pictures: run "
                "`pixelrec images pack` again with the same options to continue"
            )
        return manifest


def form_of(path: Path) -> tuple[int, Fit] | None:
    """Size and fit of the store at `path`, complete or not; none if there is none that can be read."""
    try:
        _identity(path)
        with closing(open_to_read(path)) as env, env.begin() as txn:
            manifest = Manifest.read(txn, path)
    except ImageError:
        return None
    return manifest.size, manifest.fit


_stores: WeakValueDictionary[tuple[int, int], PictureStore] = WeakValueDictionary()
_stores_lock = threading.Lock()


def is_open(path: Path) -> bool:
    """Whether this process has the store that is at `path` now open for reading."""
    with _stores_lock:
        store = _stores.get(_identity(path)) if (path / DATA).is_file() else None
        return store is not None and store.is_open


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of a store's file: a store that replaces another at its path is a different one."""
    try:
        found = (path / DATA).stat()
        demand_regular(path / DATA)
    except OSError:
        if not path.exists():
            raise ImageError(f"no picture store at {path}: pack one with `pixelrec images pack`") from None
        raise not_a_store(path) from None
    return found.st_dev, found.st_ino


def _absence(path: Path, absent: list[str], items: int) -> str:
    return (
        f"{len(absent):,} of {items:,} items {'are' if len(absent) > 1 else 'is'} not in the picture store "
        f"{path}: {some_of(map(repr, absent))}; pack the covers of all items with `pixelrec images pack`"
    )
