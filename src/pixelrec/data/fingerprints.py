"""Name, size and hash of what a data set is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, final

import polars as pl

from pixelrec.errors import DataError

_BLOCK = 2**20  # bytes hashed at a time


@contextmanager
def fingerprints(files: Mapping[Path, str]) -> Iterator[list[Future[dict[str, Any]]]]:
    """Name, size and SHA-256 of the sources (path → name), computed on a thread beside the reading."""
    stopped = Event()
    with ThreadPoolExecutor(1) as thread:
        try:
            yield [thread.submit(_fingerprint, *each, stopped) for each in files.items()]
        finally:
            stopped.set()  # a refusal must not wait until a large file is read to its end
            thread.shutdown(wait=True, cancel_futures=True)


def frame_print(name: str, frame: pl.DataFrame) -> dict[str, Any]:
    """Name, size and SHA-256 of a frame, as Arrow streams it."""
    sink = _Hashed()
    frame.write_ipc_stream(sink)  # type: ignore[call-overload]
    return {"name": name, "bytes": sink.size, "sha256": sink.digest.hexdigest()}


@final
class _Hashed:
    """A file of which only the size and the hash are kept."""

    def __init__(self) -> None:
        self.digest, self.size = hashlib.sha256(), 0

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self.size += len(block)
        return len(block)

    def flush(self) -> None:
        pass


def _fingerprint(file: Path, name: str, stopped: Event) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    try:
        with file.open("rb", buffering=0) as stream:
            while not stopped.is_set() and (block := stream.read(_BLOCK)):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    return {"name": name, "bytes": size, "sha256": digest.hexdigest()}
