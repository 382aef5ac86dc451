"""The LMDB environment of a picture store: its files, how it is opened, and its failures as errors.

LMDB writes a batch to new pages and then the page that points to them. If the process is killed, the store is
as after the last batch. Packing does not wait for the disk, which would cost a quarter of the speed: after a
*power cut* within a minute of packing, pack again with --overwrite.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import lmdb

from pixelrec.errors import ImageError, option
from pixelrec.files.regular import demand_regular
from pixelrec.images.pages import Meta, PageDamage, check_pages, read_metas

DATA, LOCK = "data.mdb", "lock.mdb"  # LMDB's names of the files
KEY = b"manifest"  # in the main database
PICTURES, STAMPS = b"pictures", b"stamps"  # the other databases
_DAMAGE = (
    PageDamage,
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.CursorFullError,
    lmdb.VersionMismatchError,
)
_READERS = 1024  # threads and processes that read at once; the first to open the store decides for all
_LOCK_BYTES = _READERS * 64 + 4096  # of the lock file, at least
_LARGEST_MAP = 1 << 44  # 16 TiB of addresses, not of memory
_opening = partial(lmdb.open, max_dbs=2, max_readers=_READERS)


def not_a_store(path: Path) -> ImageError:
    """The error for a folder that holds something else."""
    return ImageError(f"{path} is not a picture store: pack one with `pixelrec images pack`")


def damage(path: Path, what: str) -> ImageError:
    """The error for a damaged store."""
    return ImageError(
        f"the picture store {path} is damaged ({what}): pack the covers again at their size, with `pixelrec "
        f"images pack` and {option('overwrite')}"
    )


@contextmanager
def failures(path: Path, verb: str, remedy: str = "") -> Iterator[None]:
    """Failures of LMDB and of the disk within become an `ImageError`: the store cannot be read, written …"""
    try:
        yield
    except _DAMAGE as error:
        raise damage(path, str(error)) from None
    except (OSError, lmdb.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot {verb} the picture store {path}: {reason}{remedy}") from None


def open_to_write(path: Path, map_size: int) -> Any:
    """An environment in a folder, perhaps new; an `ImageError` if it is damaged or cannot be made."""
    _metas(path)
    with failures(path, "write", "; make room, choose another place, or close it where it is open"):
        try:
            _reserve_lock(path)
        except OSError:
            with suppress(OSError):  # a folder that was made for it
                path.rmdir()
            raise
        env = _opening(str(path), map_size=map_size, sync=False, meminit=False)
    return _checked(env, path)


def open_to_read(path: Path) -> Any:
    """A read-only environment with pictures and stamps.

    It has a lock, so that packing more never reuses pages being read, except where none may be made. The map
    is as large as the disk, so that a store that another process packs into does not outgrow it.
    """
    _metas(path)
    lock = path / LOCK
    writable = os.access(lock if lock.exists() else path, os.W_OK)
    if writable:
        try:
            _reserve_lock(path)
        except OSError:  # the disk is full, so nobody packs
            writable = False
    opening = partial(_opening, str(path), readonly=True, lock=writable)
    with failures(path, "open"):
        try:
            env = opening(map_size=min(shutil.disk_usage(path).total, _LARGEST_MAP))
        except lmdb.MemoryError:  # the address space is limited
            env = opening()
    _checked(env, path)
    try:
        for database in (PICTURES, STAMPS):
            env.open_db(database, create=False)
    except lmdb.Error:
        env.close()
        raise not_a_store(path) from None
    return env


def is_foreign(path: Path) -> bool:
    """Whether another program's LMDB is at `path`; a damaged one may be ours."""
    try:
        if not _metas(path):
            return False
        opened = _checked(lmdb.open(str(path), readonly=True, lock=False), path)
        with closing(opened) as env, env.begin() as txn:
            return txn.get(KEY) is None and txn.stat()["entries"] > 0
    except (ImageError, lmdb.Error):
        return False


def _metas(path: Path) -> list[Meta]:
    """The commits of a store that may not exist yet; an `ImageError` if LMDB could not open it safely."""
    file = path / DATA
    with failures(path, "read"):
        for each in (path / LOCK, file):
            if each.exists():
                demand_regular(each)
        return read_metas(file) if file.exists() and file.stat().st_size else []


def _checked(env: Any, path: Path) -> Any:
    """The environment; it is closed, with an `ImageError`, if LMDB could not read its pages safely."""
    try:
        with failures(path, "read"), env.begin() as txn:
            for meta in _metas(path):
                if meta.transaction == txn.id():
                    check_pages(path / DATA, meta)
    except BaseException:
        env.close()
        raise
    return env


def _reserve_lock(path: Path) -> None:
    """Takes the room of LMDB's lock file, which it maps: on a full disk, the process would die of a signal.

    Raises:
        OSError: the disk has none.
    """
    with (path / LOCK).open("ab", buffering=0) as file:
        missing = 0 if file.tell() else _LOCK_BYTES
        try:
            while missing:
                missing -= file.write(bytes(missing))
        except OSError:
            (path / LOCK).unlink()
            raise
