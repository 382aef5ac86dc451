"""Computing activations, once: chunk by chunk, to be continued whenever it is cut short.

A chunk counts once its record is in `chunks.bin`, which happens after its rows are written. What a process
has written outlives it; what a power cut has taken is found by the checksums when writing goes on, and the
disk has everything before the manifest says complete.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.console.progress import progress_line
from pixelrec.errors import RecipeError
from pixelrec.items.cache.key import DTYPES, ActivationKey
from pixelrec.items.cache.manifest import (
    CHUNK_BYTES,
    CHUNKS,
    STATES,
    Chunk,
    read_chunks,
    write_manifest,
)
from pixelrec.items.cache.place import allocate, unwritable
from pixelrec.items.encoder import Log

Compute = Callable[[np.ndarray], Tensor]
"""Item numbers (n) → their states (n, *shape), of any float dtype and on any device."""


@final
class ActivationWriter:
    """The files of activations, open for writing; the folder is locked meanwhile."""

    def __init__(self, folder: Path, key: ActivationKey) -> None:
        self.folder = folder
        self.key = key
        self.rows = 0  # finished; row 0 among them
        try:
            write_manifest(folder, key, complete=False)
            for name in (STATES, CHUNKS):
                (folder / name).touch()
            self._states = (folder / STATES).open("r+b", buffering=0)
            self._chunks = (folder / CHUNKS).open("r+b", buffering=0)
        except OSError as error:
            raise unwritable(folder, error) from None

    def __enter__(self) -> Self:
        try:
            allocate(self._states, self.folder, self.key)
            self._go_on()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._chunks.close()
        self._states.close()

    def append(self, states: Tensor) -> None:
        """Write the next rows, states as they are stored, and only then their record."""
        rows = states.contiguous().view(-1).view(torch.uint8).numpy().data
        stop = self.rows + len(states)
        try:
            self._write(rows, at=self.rows * self.key.state_bytes)
            self._chunks.write(Chunk(stop, zlib.crc32(rows)).packed())
        except OSError as error:
            raise unwritable(self.folder, error) from None
        self.rows = stop

    def _write(self, rows: memoryview, *, at: int) -> None:
        while len(rows):  # Linux writes 2 GB at once at most
            written = os.pwrite(self._states.fileno(), rows, at)
            rows, at = rows[written:], at + written

    def finish(self) -> None:
        """Mark it complete, once the disk has it."""
        try:
            os.fsync(self._states.fileno())
            os.fsync(self._chunks.fileno())
            write_manifest(self.folder, self.key, complete=True)
        except OSError as error:
            raise unwritable(self.folder, error) from None

    def _go_on(self) -> None:
        """After the last chunk up to which all agree with their checksums."""
        shape = (self.key.items + 1, self.key.state_bytes)
        rows = np.memmap(self.folder / STATES, np.uint8, "r", shape=shape)
        sound = 0
        for chunk in read_chunks(self.folder):
            if not self.rows < chunk.stop <= len(rows):
                break
            if zlib.crc32(rows[self.rows : chunk.stop].data) != chunk.checksum:
                break
            self.rows, sound = chunk.stop, sound + 1
        self._chunks.truncate(sound * CHUNK_BYTES)
        self._chunks.seek(0, os.SEEK_END)


def complete(writer: ActivationWriter, compute: Compute, *, chunk: int, log: Log, shown: bool) -> None:
    """Compute and write what is not there yet, and say that it is complete; words as `build` takes them."""
    items, done = writer.key.items, max(0, writer.rows - 1)
    if done:
        log(f"activations: {done:,} of {items:,} pictures are there already, {items - done:,} to go")
    if writer.rows == 0:
        writer.append(torch.zeros(1, *writer.key.shape, dtype=DTYPES[writer.key.dtype]))
    with progress_line("Activations", items - done, shown=shown) as advance:
        while writer.rows <= items:
            ids = np.arange(writer.rows, min(writer.rows + chunk, items + 1))
            writer.append(_stored(compute(ids), ids, writer.key))
            for _ in ids:
                advance()
    writer.finish()


def _stored(states: Tensor, ids: np.ndarray, key: ActivationKey) -> Tensor:
    """States as they are stored, checked."""
    if states.shape != (len(ids), *key.shape):
        raise ValueError(
            f"states of {len(ids)} items are {list(states.shape)}, expected n, {list(key.shape)}"
        )
    stored = states.detach().to(DTYPES[key.dtype])
    fits, vanished = torch.isfinite(stored).all(), _vanished(states, stored)
    if fits and not vanished.any():
        return stored.cpu()
    which = f"the network's states of item numbers {ids[0]:,} … {ids[-1]:,}"
    if not torch.isfinite(states).all():
        raise RecipeError(f"{which} are not all finite: its weights are damaged, or its precision is too low")
    limits = torch.finfo(stored.dtype)
    largest = float((states[vanished] if fits else states).abs().max())
    told = (
        f"are as small as {largest:.3g}, too small for {key.dtype} (from {limits.tiny:.2g})"
        if fits
        else f"reach {largest:.3g}, too large for {key.dtype} (up to {limits.max:.3g})"
    )
    raise RecipeError(f"{which} {told}: set items.cache_dtype bf16")


def _vanished(states: Tensor, stored: Tensor) -> Tensor:
    """Of which items numbers were so small that storing lost a hundredth of the state's length: bool n."""
    was, now = states.detach().double().flatten(1), stored.double().flatten(1)
    lost, length = torch.linalg.vector_norm(was - now, dim=1), torch.linalg.vector_norm(was, dim=1)
    return lost > 1e-2 * length
