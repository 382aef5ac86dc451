"""The item vectors of a checkpoint in a file beside it: encoding the catalogue costs what it costs, once.

`item-vectors.safetensors` holds `vectors`, fp32 N + 1, D, row r for item number r, and says of which weights
and pictures they are. It grows as `item-vectors.partial`: a line that says the same, then rows; killed at any
moment, the next to ask goes on after the last row that was whole.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Self, final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pixelrec.console.progress import progress_line
from pixelrec.items.cache.key import bytes_of
from pixelrec.recommender import Catalogue, Recommender

WHOLE, PARTIAL = "item-vectors.safetensors", "item-vectors.partial"
About = Mapping[str, str]


def kept_catalogue(recommender: Recommender, checkpoint: Path, *, progress: bool = False) -> Catalogue:
    """The catalogue of a recommender that was loaded from `checkpoint`, its vectors from the file there.

    What is not in the file is encoded and written, where the folder can be written.

    progress: draw a progress bar.
    """
    if not recommender.items.expensive:
        return recommender.catalogue()
    # Of what is loaded: training may put a better checkpoint into the folder at any moment.
    weights = _fingerprint(recommender)
    found = _whole(recommender, checkpoint, weights)
    if found is None:
        found = _completed(recommender, checkpoint, weights, progress)
    return recommender.catalogue(encoded=found.to(recommender.device))


def _fingerprint(recommender: Recommender) -> str:
    """sha256 of the item encoder's weights."""
    digest = sha256()
    for name, tensor in recommender.items.state_dict().items():
        digest.update(name.encode() + b"\0")
        digest.update(bytes_of(tensor))
    return digest.hexdigest()


def _whole(recommender: Recommender, checkpoint: Path, weights: str) -> Tensor | None:
    """The vectors in the file; none where it is absent, damaged, or of other weights or pictures."""
    try:
        with safe_open(checkpoint / WHOLE, framework="pt") as file:
            about: About = file.metadata() or {}
            vectors: Tensor = file.get_tensor("vectors")
    except (OSError, SafetensorError):
        return None
    at_hand = recommender.spec.covers is not None
    if about.get("weights") != weights or (at_hand and about.get("reads") != recommender.items.reads):
        return None
    return vectors if tuple(vectors.shape) == _shape(recommender) else None


def _completed(recommender: Recommender, checkpoint: Path, weights: str, progress: bool) -> Tensor:
    """Vectors of all items; those that were encoded before an interruption are not encoded again."""
    about = {"weights": weights, "reads": recommender.items.reads}
    vectors = torch.zeros(_shape(recommender))
    with (
        _Growing(checkpoint, about) as growing,
        progress_line("encoding items", len(vectors), shown=progress) as advance,
    ):
        done = growing.read(vectors)
        for _ in range(done):
            advance()
        for some in recommender.encode(torch.arange(done, len(vectors))) if done < len(vectors) else ():
            vectors[done : done + len(some)] = some
            growing.append(vectors[done : done + len(some)])
            done += len(some)
            for _ in some:
                advance()
        growing.finish(vectors)
    return vectors


@final
class _Growing:
    """The file as it is written, row by row; nothing where another process writes it, or nobody can.

    That costs time when the next one asks, and never the answer.

    Args:
        checkpoint: beside which it lies.
        about: what the rows depend on.
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
            with suppress(OSError):  # what could not be written was not counted on
                self.file.close()
            self.file = None

    def read(self, vectors: Tensor) -> int:
        """Fills in the rows that an interrupted call has left, and says how many there are."""
        with self._or_without():
            if self.file is not None:
                return self._read(self.file, vectors.numpy())
        return 0

    def _read(self, file: BinaryIO, vectors: np.ndarray) -> int:
        file.seek(0)
        content = file.read()
        if not content.startswith(self.head):
            file.truncate(0)
            file.write(self.head)
            return 0
        rows = min((len(content) - len(self.head)) // vectors[0].nbytes, len(vectors))
        some = vectors[:rows]
        some[:] = np.frombuffer(content, np.float32, some.size, len(self.head)).reshape(some.shape)
        file.truncate(len(self.head) + some.nbytes)  # without a row that was cut short
        return rows

    def append(self, rows: Tensor) -> None:
        with self._or_without():
            if self.file is not None:
                self.file.write(bytes_of(rows))
                self.file.flush()

    def finish(self, vectors: Tensor) -> None:
        """Puts the whole in its place, at once: its words and its rows are never of different catalogues."""
        with self._or_without():
            if self.file is not None:
                new = self.checkpoint / f".{WHOLE}"
                try:
                    save_file({"vectors": vectors}, new, dict(self.about))
                    new.replace(self.checkpoint / WHOLE)
                finally:
                    new.unlink(missing_ok=True)
                (self.checkpoint / PARTIAL).unlink(missing_ok=True)

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        try:
            yield
        except (OSError, SafetensorError):
            self.__exit__()  # and it goes on without a file


def _shape(recommender: Recommender) -> tuple[int, int]:
    return recommender.spec.items + 1, recommender.items.width
