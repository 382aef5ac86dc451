"""Where activations are written: enough room on the disk, and one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from pixelrec.console.numbers import with_prefix
from pixelrec.errors import ImageError
from pixelrec.items.cache.key import ActivationKey
from pixelrec.items.cache.manifest import LOCK, STATES, folder_of
from pixelrec.items.encoder import Log

_MEND = "set items.cache never, or give another folder for the cache"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_HERE = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})  # file systems that cannot allocate


def demand_room(folder: Path, key: ActivationKey, log: Log) -> None:
    """Log how many bytes are needed and how many are free, before anything is written.

    Raises:
        ImageError: too few; what is written already counts as free.
    """
    free, written = _free(folder), _allocated(folder / STATES)
    if not _has_room(key, free, written):
        raise _no_room(folder, key, free, written)
    log(
        f"activations of {key.items:,} pictures need {with_prefix(key.file_bytes)} in {folder}; its disk "
        f"has {with_prefix(free)} free{_beside(written)}"
    )


def lack_of_room(parent: Path, key: ActivationKey) -> str | None:
    """What there is too little of, in words; none where there is enough."""
    folder = folder_of(parent, key)
    free = _free(folder)
    if _has_room(key, free, _allocated(folder / STATES)):
        return None
    return f"it would take {with_prefix(key.file_bytes)} in {parent}, and {with_prefix(free)} are free"


def _has_room(key: ActivationKey, free: int, written: int) -> bool:
    """What is written already needs no more."""
    return key.file_bytes - written <= free


def allocate(states: FileIO, folder: Path, key: ActivationKey) -> None:
    """Give the file its full size, on the disk as well, so that it cannot run full midway.

    Raises:
        ImageError: there is no room; the file is as long as it was.
    """
    before = os.fstat(states.fileno()).st_size
    try:
        if before > key.file_bytes:
            states.truncate(key.file_bytes)
        _allocate(states.fileno(), key.file_bytes)
        states.truncate(key.file_bytes)  # where nothing could be allocated: a file with holes
    except OSError as error:
        states.truncate(min(before, key.file_bytes))
        if error.errno in _NO_ROOM:
            raise _no_room(folder, key, _free(folder), _allocated(folder / STATES)) from None
        raise unwritable(folder, error) from None


def _allocate(handle: int, size: int) -> None:
    if sys.platform != "linux":  # macOS has no such call
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise


@contextmanager
def locked(folder: Path, log: Log) -> Iterator[None]:
    """Make the folder and be its only writer; waits while another process is.

    Raises:
        ImageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("wb")
    except OSError as error:
        raise unwritable(folder, error) from None
    with lock:
        _wait_for(lock, folder, log)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing would not do where a forked child has it open too


def _wait_for(lock: BinaryIO, folder: Path, log: Log) -> None:
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"activations: another process is computing them in {folder}, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise unwritable(folder, error) from None


def unwritable(folder: Path, error: OSError) -> ImageError:
    """The error of a folder that cannot be written."""
    return ImageError(
        f"cannot write activations in {folder}: {error.strerror} ({with_prefix(_free(folder))} free on "
        f"its disk); mend that and start again, what is written is kept, or {_MEND}"
    )


def _no_room(folder: Path, key: ActivationKey, free: int, written: int) -> ImageError:
    return ImageError(
        f"the disk of {folder} has {with_prefix(free)} free{_beside(written)}, activations of "
        f"{key.items:,} pictures need {with_prefix(key.file_bytes)}: make room, {_MEND}"
    )


def _beside(written: int) -> str:
    return f" beside {with_prefix(written)} of them that are there" if written else ""


def _free(folder: Path) -> int:
    """Bytes free on the disk where the folder is or will be."""
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    return shutil.disk_usage(there).free


def _allocated(path: Path) -> int:
    """Bytes that a file takes from its disk."""
    try:
        return path.stat().st_blocks * 512
    except (FileNotFoundError, NotADirectoryError):
        return 0
