"""Writing activations chunk by chunk, to be resumed whenever it is interrupted.

A chunk counts once its record is in `chunks.bin`, which is written after its rows. Rows survive the death of
the process; what a power cut takes is detected by the checksums on resumption. Everything is on the disk
before the manifest says complete.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import process_time
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.console.numbers import with_prefix
from pixelrec.console.progress import progress_line
from pixelrec.errors import ImageError, RecipeError, StoppedError
from pixelrec.files.lock import Lock, holder
from pixelrec.items.cache.key import DTYPES, ActivationKey
from pixelrec.items.cache.manifest import (
    CHUNKS,
    LOCK,
    RECORD,
    STATES,
    folder_of,
    read_chunks,
    write_manifest,
)
from pixelrec.items.encoder import Log

Compute = Callable[[np.ndarray], Tensor]
"""Item numbers (n) → their states (n, *shape), of any float dtype and on any device."""

_REMEDY = "set items.cache never, or give another folder for the cache"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CANNOT_ALLOCATE = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})  # of some file systems


class UnfitStates(RecipeError):
    """States that the stored dtype cannot hold."""


def demand_room(folder: Path, key: ActivationKey, log: Log) -> None:
    """Log the bytes needed and free, before anything is written; states already written count as free."""
    free, written = _free(folder), _allocated(folder / STATES)
    if key.file_bytes - written > free:
        raise _no_room(folder, key, free, written)
    log(
        f"activations of {key.items:,} pictures need {with_prefix(key.file_bytes)} in {folder}; its disk "
        f"has {with_prefix(free)} free{_beside(written)}"
    )


def lack_of_room(parent: Path, key: ActivationKey) -> str | None:
    """The reason why the disk is too small; none if it is large enough."""
    folder = folder_of(parent, key)
    free = _free(folder)
    if key.file_bytes - _allocated(folder / STATES) <= free:
        return None
    return f"it would take {with_prefix(key.file_bytes)} in {parent}, and {with_prefix(free)} are free"


@contextmanager
def locked(folder: Path, log: Log) -> Iterator[None]:
    """Make the folder and be its only writer; waits for another process that writes it."""
    path, lock = folder / LOCK, None
    with explained(folder):
        while lock is None:
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # the folder was deleted meanwhile
                lock = Lock.acquire(path)
                if lock is None:
                    log(f"activations: {holder(path)} is computing them in {folder}, waiting for it")
                    lock = Lock.acquire(path, wait=True)
    with lock:
        yield


@final
class ActivationWriter:
    """The files of activations, open for writing; the caller holds the lock of the folder."""

    def __init__(self, folder: Path, key: ActivationKey) -> None:
        self.folder = folder
        self.key = key
        self.rows = 0  # finished; row 0 among them
        self.found, self._started = 0, process_time()  # rows of earlier processes
        write_manifest(folder, key, complete=False)
        with explained(folder):
            for name in (STATES, CHUNKS):
                (folder / name).touch()
            self._states = (folder / STATES).open("r+b", buffering=0)
            self._chunks = (folder / CHUNKS).open("r+b", buffering=0)

    def __enter__(self) -> Self:
        try:
            self._allocate()
            self._resume()
            self.found = self.rows
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._chunks.close()
        self._states.close()

    def append(self, states: Tensor) -> None:
        """Write the next rows, in the stored dtype, and then their record."""
        rows = states.contiguous().view(-1).view(torch.uint8).numpy().data
        stop, checksum = self.rows + len(states), zlib.crc32(rows)
        with explained(self.folder):
            at = self.rows * self.key.state_bytes
            while len(rows):  # Linux writes at most 2 GB per call
                written = os.pwrite(self._states.fileno(), rows, at)
                rows, at = rows[written:], at + written
            self._chunks.write(RECORD.pack(stop, checksum))
        self.rows = stop

    def finish(self) -> None:
        """Mark the activations complete, once they are on the disk."""
        with explained(self.folder):
            os.fsync(self._states.fileno())
            os.fsync(self._chunks.fileno())
        # Of all rows, by those of this process.
        seconds = (process_time() - self._started) * self.rows / max(1, self.rows - self.found)
        write_manifest(self.folder, self.key, complete=True, cpu_seconds=round(seconds, 3))

    def _allocate(self) -> None:
        """Give the file its full size, on the disk as well, so that the disk cannot run full midway."""
        size, states = self.key.file_bytes, self._states
        before = os.fstat(states.fileno()).st_size
        with explained(self.folder):
            try:
                if before > size:
                    states.truncate(size)
                _allocate(states.fileno(), size)
                states.truncate(size)  # if nothing could be allocated: a sparse file
            except OSError as error:
                states.truncate(min(before, size))
                if error.errno in _NO_ROOM:
                    free, written = _free(self.folder), _allocated(self.folder / STATES)
                    raise _no_room(self.folder, self.key, free, written) from None
                raise

    def _resume(self) -> None:
        """Continue after the last chunk up to which all checksums match."""
        shape = (self.key.items + 1, self.key.state_bytes)
        rows = np.memmap(self.folder / STATES, np.uint8, "r", shape=shape)
        sound = 0
        for chunk in read_chunks(self.folder):
            if not self.rows < chunk.stop <= len(rows):
                break
            if zlib.crc32(rows[self.rows : chunk.stop].data) != chunk.checksum:
                break
            self.rows, sound = chunk.stop, sound + 1
        self._chunks.truncate(sound * RECORD.size)
        self._chunks.seek(0, os.SEEK_END)


def complete(writer: ActivationWriter, compute: Compute, *, chunk: int, log: Log) -> None:
    """Compute and write all missing states; arguments as for `build`."""
    items, done = writer.key.items, max(0, writer.rows - 1)
    if done:
        log(f"activations: {done:,} of {items:,} pictures are there already, {items - done:,} to go")
    if writer.rows == 0:
        writer.append(torch.zeros(1, *writer.key.shape, dtype=DTYPES[writer.key.dtype]))
    try:
        with progress_line("activations", items - done) as advance:
            while writer.rows <= items:
                ids = np.arange(writer.rows, min(writer.rows + chunk, items + 1))
                writer.append(_stored(compute(ids), ids, writer.key))
                for _ in ids:
                    advance()
    except KeyboardInterrupt as interrupt:
        how = f"the same command continues after {writer.rows - 1:,} of {items:,} activations"
        raise StoppedError.by(interrupt, how) from None
    writer.finish()


def _stored(states: Tensor, ids: np.ndarray, key: ActivationKey) -> Tensor:
    """States in the stored dtype, checked."""
    if states.shape != (len(ids), *key.shape):
        raise ValueError(
            f"states of {len(ids)} items are {list(states.shape)}, expected n, {list(key.shape)}"
        )
    stored = states.detach().to(DTYPES[key.dtype])
    # An item's numbers may be so small that storing loses more than a hundredth of the state's length.
    was, now = states.detach().double().flatten(1), stored.double().flatten(1)
    lost, length = torch.linalg.vector_norm(was - now, dim=1), torch.linalg.vector_norm(was, dim=1)
    fits, vanished = torch.isfinite(stored).all(), lost > 1e-2 * length
    if fits and not vanished.any():
        return stored.cpu()
    which = f"the network's states of item numbers {ids[0]:,} … {ids[-1]:,}"
    if not torch.isfinite(states).all():
        raise RecipeError(f"{which} are not all finite: its weights are damaged, or its precision is too low")
    limits = torch.finfo(stored.dtype)
    largest = float((states[vanished] if fits else states).abs().max())
    problem = (
        f"are as small as {largest:.3g}, too small for {key.dtype} (from {limits.tiny:.2g})"
        if fits
        else f"reach {largest:.3g}, too large for {key.dtype} (up to {limits.max:.3g})"
    )
    raise UnfitStates(f"{which} {problem}: set items.cache_dtype bf16")


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageError(
            f"cannot write activations in {folder}: {error.strerror} ({with_prefix(_free(folder))} free on "
            f"its disk); correct that and start again, finished chunks are kept, or {_REMEDY}"
        ) from None


def _allocate(descriptor: int, size: int) -> None:
    if sys.platform != "linux":  # macOS has no such call
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise


def _no_room(folder: Path, key: ActivationKey, free: int, written: int) -> ImageError:
    return ImageError(
        f"the disk of {folder} has {with_prefix(free)} free{_beside(written)}, activations of "
        f"{key.items:,} pictures need {with_prefix(key.file_bytes)}: make room, {_REMEDY}"
    )


def _beside(written: int) -> str:
    return f" beside {with_prefix(written)} already written" if written else ""


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
