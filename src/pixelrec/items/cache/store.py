"""Activations: the outputs of the frozen part of a picture network for a catalogue, in a memory-mapped file.

`build` makes them, `open_activations` finds them, `verify` recomputes some.
"""

from __future__ import annotations

import fcntl
import os
import random
import zlib
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from pixelrec.errors import ImageError
from pixelrec.items.cache.key import DTYPES, ActivationKey
from pixelrec.items.cache.manifest import (
    MANIFEST,
    STATES,
    Chunk,
    damage,
    folder_of,
    is_complete,
    read_chunks,
    read_cpu_seconds,
)
from pixelrec.items.cache.writer import ActivationWriter, Compute, complete, demand_room, locked
from pixelrec.items.encoder import Log

_SAMPLED = 4  # chunks whose checksums are compared besides those of row 0, the first and the last chunk
_BLOCK_BYTES = 256 << 20  # copied to a device at once
# Relative to a state's length: rounding takes less than half of it, another order of summation some.
_TOLERANCE = {torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.float32: 2e-3, torch.float64: 0.0}


@final
class Activations:
    """The complete states of a catalogue. Threads and forked processes may read them at the same time."""

    def __init__(self, folder: Path, key: ActivationKey) -> None:
        self.folder = folder
        self.key = key
        self.dtype = DTYPES[key.dtype]
        word = np.dtype(f"int{8 * self.dtype.itemsize}")  # NumPy has no bf16: the bits are read as integers
        with (folder / STATES).open("rb") as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_SH)  # held as long as the memory map
            self._states = np.memmap(file, word, "r", shape=(key.items + 1, *key.shape))
        with suppress(OSError):  # a read-only folder
            os.utime(folder / MANIFEST)

    def read(self, ids: np.ndarray) -> Tensor:
        """The states of items by number, in the order given: U → U, *shape, contiguous; 0 gives zeros.

        Copies rows from the page cache and releases the GIL; `IndexError` for an unknown number.
        """
        items = self.key.items
        if len(ids) and (ids.min() < 0 or ids.max() > items):
            raise IndexError(f"item numbers {ids.min()} … {ids.max()}, expected 0 … {items}")
        # NumPy requests huge pages, torch.empty does not: touching new memory costs more than the copy.
        states = np.empty((len(ids), *self.key.shape), self._states.dtype)
        # Numbers have been checked: with "raise", take would copy everything twice.
        np.take(self._states, ids, axis=0, out=states, mode="clip")
        return torch.from_numpy(states).view(self.dtype)

    def resident(self, device: torch.device | str) -> Tensor:
        """All states on a device: N + 1, *shape; row r is item number r, row 0 is zero."""
        rows = self.key.items + 1
        states = torch.empty((rows, *self.key.shape), dtype=self.dtype, device=device)
        step = max(1, _BLOCK_BYTES // self.key.state_bytes)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            states[start:stop] = self.read(np.arange(start, stop))
        return states

    @property
    def cpu_seconds(self) -> float:
        """Of computing all states; 0 if that is unknown."""
        return read_cpu_seconds(self.folder)

    def checksum(self, start: int, stop: int) -> int:
        """CRC-32 of rows start … stop − 1."""
        return zlib.crc32(self._states[start:stop].data)


def open_activations(parent: Path, key: ActivationKey, *, whole: bool = False) -> Activations | None:
    """The activations with that key; none if they do not exist or are incomplete, `ImageError` if damaged.

    whole: check all checksums (some GB a second), as before training; otherwise a sample.
    """
    folder = folder_of(parent, key)
    if not is_complete(folder, key):
        return None
    try:
        size, chunks = (folder / STATES).stat().st_size, read_chunks(folder)
        if size != key.file_bytes:
            raise damage(folder, f"{STATES} has {size:,} bytes, expected {key.file_bytes:,}")
        activations = Activations(folder, key)
    except OSError as error:
        raise damage(folder, f"{error.strerror}: {error.filename}") from None
    _demand_checksums(activations, chunks, whole)
    return activations


def _demand_checksums(activations: Activations, chunks: list[Chunk], whole: bool) -> None:
    stops = [0, *(chunk.stop for chunk in chunks)]
    if stops[-1] != activations.key.items + 1 or any(a >= b for a, b in pairwise(stops)):
        raise damage(activations.folder, "its checksums do not cover all rows")
    # Other chunks every time, so that any damage is found in the end; a generator of its own, without a seed.
    count = len(chunks) if whole else min(_SAMPLED, len(chunks))
    some = random.Random().sample(range(len(chunks)), count)
    for i in sorted({0, min(1, len(chunks) - 1), len(chunks) - 1, *some}):
        start, stop = stops[i : i + 2]
        if activations.checksum(start, stop) != chunks[i].checksum:
            raise damage(activations.folder, f"rows {start:,} … {stop - 1:,} have another checksum")


def build(
    parent: Path, key: ActivationKey, compute: Compute, *, chunk: int, log: Log = lambda _: None
) -> Activations:
    """The activations with that key, after computing those that do not exist yet.

    Waits if another process is computing them. parent: the folder of all activations. chunk: items computed
    and written together, in order; a kill loses at most as many.

    Raises:
        ImageError: too little room, a folder that cannot be written, or damaged activations in it.
        RecipeError: states that are not finite, before or after rounding to the stored dtype.
    """
    if (found := open_activations(parent, key)) is not None:
        return found
    folder = folder_of(parent, key)
    demand_room(folder, key, log)
    with locked(folder, log):
        found = open_activations(parent, key)  # made by another process, while this one waited
        if found is None:
            with ActivationWriter(folder, key) as writer:
                complete(writer, compute, chunk=chunk, log=log)
            found = open_activations(parent, key)
    if found is None:
        raise RuntimeError(f"the manifest in {folder} was replaced while it was locked")
    return found


def verify(activations: Activations, compute: Compute, ids: np.ndarray) -> None:
    """Recompute the states of some item numbers (n) and compare, to detect changes that no key covers.

    Raises:
        ImageError: a state differs by more than rounding and another order of summation can explain.
    """
    stored, computed = activations.read(ids), compute(ids).cpu()
    tolerance = max(_TOLERANCE[stored.dtype], _TOLERANCE[computed.dtype])
    was, now = (t.reshape(len(ids), -1).double() for t in (stored, computed))
    difference, length = torch.linalg.vector_norm(was - now, dim=1), torch.linalg.vector_norm(now, dim=1)
    wrong = ~(difference <= tolerance * length)  # true of NaN as well
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ImageError(
            f"the activations in {activations.folder} are not what the network computes: item number "
            f"{int(ids[first])} differs by {float(difference[first] / length[first]):.2g} of its length, "
            f"expected {tolerance:g} at most: delete the folder, and they are recomputed"
        )
