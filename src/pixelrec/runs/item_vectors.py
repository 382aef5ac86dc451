"""The item vectors of a checkpoint, cached in a file beside it, so that the catalogue is encoded only once.

`item-vectors.safetensors` holds `vectors`, fp32 N + 1, D, row r for item number r, their digest, and those
of the weights and pictures they depend on. It grows as `item-vectors.partial`: a line with the latter, then
rows. If the process is killed, the next one continues after the last complete row.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self, final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import RunError
from pixelrec.files.atomic import new_file
from pixelrec.files.checkpoint import section_digests
from pixelrec.files.regular import demand_regular
from pixelrec.files.tensors import bytes_of, write_tensors
from pixelrec.recommender import Recommender

WHOLE, PARTIAL = "item-vectors.safetensors", "item-vectors.partial"
About = Mapping[str, str]


def cached_vectors(recommender: Recommender, checkpoint: Path, on_progress: OnProgress = ignore) -> Tensor:
    """Vectors (N + 1, D) of all items, read from a file beside the checkpoint that was loaded.

    If it is missing or incomplete, the rest is encoded and written, if the folder is writable. Vectors that
    are cheap to encode are not cached.

    on_progress: called with a line of text as items are encoded.
    """
    if not recommender.items.expensive:
        return recommender.encode_all()
    weights = recommender.digests["items"]  # of those loaded: training may have replaced the checkpoint
    reads = None if recommender.spec.covers is None else recommender.items.reads
    found = read_vectors(checkpoint, weights, reads)
    if found is not None and tuple(found.shape) == _shape(recommender):
        _remove_partial(checkpoint)  # the process that wrote them was killed just before
    else:
        found = _complete(recommender, checkpoint, weights, on_progress)
    return found.to(recommender.device)


def read_vectors(checkpoint: Path, weights: str, reads: str | None) -> Tensor | None:
    """The vectors in the file; none if it is missing, damaged, or of other weights or pictures.

    weights: digest of section `items`. reads: fingerprint of the pictures; none: any, there are none here.
    """
    try:
        demand_regular(checkpoint / WHOLE)
        with safe_open(checkpoint / WHOLE, framework="pt") as file:
            about: About = file.metadata() or {}
            vectors: Tensor = file.get_tensor("vectors")
    except (OSError, SafetensorError):
        return None
    if about.get("weights") != weights or (reads is not None and about.get("reads") != reads):
        return None
    return vectors if section_digests({"vectors": vectors})["vectors"] == about.get("vectors") else None


def _complete(recommender: Recommender, checkpoint: Path, weights: str, on_progress: OnProgress) -> Tensor:
    """Vectors of all items; those that were encoded before an interruption are not encoded again."""
    about = {"weights": weights, "reads": recommender.items.reads}
    vectors = torch.zeros(_shape(recommender))
    with _PartialFile(checkpoint, about) as partial:
        done = partial.read(vectors)
        for some in recommender.encode(torch.arange(done, len(vectors))) if done < len(vectors) else ():
            vectors[done : done + len(some)] = some
            partial.append(vectors[done : done + len(some)])
            done += len(some)
            on_progress(f"encoding items: {done - 1:,} of {len(vectors) - 1:,}")
        partial.finish(vectors)
    return vectors


@final
class _PartialFile:
    """The file while it is written row by row, with the hashes that the rows depend on.

    A no-op if another process holds its lock or the folder is read-only: the result is the same, only not
    cached.
    """

    def __init__(self, checkpoint: Path, about: About) -> None:
        self.checkpoint, self.about = checkpoint, about
        self.head = json.dumps(about).encode() + b"\n"
        self.file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with self._or_without():
            self.file = (self.checkpoint / PARTIAL).open("a+b")
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            with suppress(OSError):  # rows that could not be written are encoded again next time
                self.file.close()
            self.file = None

    def read(self, vectors: Tensor) -> int:
        """Fills in the rows that an interrupted call has left; their number."""
        with self._or_without():
            if self.file is None:
                return 0
            self.file.seek(0)
            content = self.file.read()
            if content.startswith(self.head):
                rows = min((len(content) - len(self.head)) // vectors[0].nbytes, len(vectors))
                some = vectors[:rows].numpy()
                some[:] = np.frombuffer(content, np.float32, some.size, len(self.head)).reshape(some.shape)
                self.file.truncate(len(self.head) + some.nbytes)  # drop a row that was cut short
                return rows
            self.file.truncate(0)
            self.file.write(self.head)
        return 0

    def append(self, rows: Tensor) -> None:
        with self._or_without():
            if self.file is not None:
                self.file.write(bytes_of(rows))
                self.file.flush()

    def finish(self, vectors: Tensor) -> None:
        """Writes the complete file and removes this one."""
        with self._or_without():
            if self.file is not None:
                about = {**self.about, **section_digests({"vectors": vectors})}
                with new_file(self.checkpoint / WHOLE, RunError) as draft:
                    write_tensors(draft, {"vectors": vectors}, about)
                (self.checkpoint / PARTIAL).unlink(missing_ok=True)

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RunError):
            self.__exit__()  # continue without a file


def _remove_partial(checkpoint: Path) -> None:
    """Unless another process writes it."""
    with suppress(OSError), (checkpoint / PARTIAL).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (checkpoint / PARTIAL).unlink()


def _shape(recommender: Recommender) -> tuple[int, int]:
    return recommender.spec.items + 1, recommender.items.width
