"""The item vectors of a checkpoint in a file beside it: encoding the catalogue costs what it costs, once.

`item-vectors.npy` is float32[N + 1, D], row r for item number r. It grows as `item-vectors.partial`; killed
at any moment, the next to ask goes on after the last row that was whole.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from pixelrec.images.progress import progress_line
from pixelrec.recommender import Catalogue, Recommender

NAME = "item-vectors"


def kept_catalogue(recommender: Recommender, checkpoint: Path, *, progress: bool = False) -> Catalogue:
    """The catalogue of a recommender that was loaded from `checkpoint`, its vectors from the file there.

    What is not in the file is encoded and written, where the folder can be written.

    progress: draw a progress bar.
    """
    if not recommender.items.dear:
        return recommender.catalogue()
    found = _whole(recommender, checkpoint)
    if found is None:
        found = _completed(recommender, checkpoint, progress)
    return recommender.catalogue(encoded=found.to(recommender.device))


def _whole(recommender: Recommender, checkpoint: Path) -> Tensor | None:
    path = checkpoint / f"{NAME}.npy"
    about = _about(checkpoint / f"{NAME}.json")
    at_hand = recommender.facts.covers is not None
    if about is None or (at_hand and about["reads"] != recommender.items.reads):
        return None
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(vectors) if vectors.shape == _shape(recommender) else None


def _completed(recommender: Recommender, checkpoint: Path, progress: bool) -> Tensor:
    """Vectors of all items; those that were encoded before an interruption are not encoded again."""
    vectors, reads = np.zeros(_shape(recommender), np.float32), recommender.items.reads
    numbers = torch.arange(len(vectors))
    with (
        _partial(checkpoint, reads) as partial,
        progress_line("encoding items", len(vectors), shown=progress) as advance,
    ):
        written = 0 if partial is None else _continued(partial, vectors)
        for _ in range(written):
            advance()
        for some in recommender.encode(numbers[written:]) if written < len(vectors) else ():
            vectors[written : written + len(some)] = some.float().cpu().numpy()
            if partial is not None:
                partial.write(vectors[written : written + len(some)].tobytes())
                partial.flush()
            written += len(some)
            for _ in range(len(some)):
                advance()
        if partial is not None:
            _finish(checkpoint, vectors, reads)
    return torch.from_numpy(vectors)


@contextmanager
def _partial(checkpoint: Path, reads: str) -> Iterator[BinaryIO | None]:
    """What is written as it grows; none where another process writes it, or nobody can.

    That costs time when the next one asks, and never the answer.
    """
    about, path = checkpoint / f"{NAME}.begun", checkpoint / f"{NAME}.partial"
    try:
        file = path.open("a+b")
    except OSError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if _about(about) != {"reads": reads}:
            file.truncate(0)
            about.write_text(json.dumps({"reads": reads}), encoding="utf-8")
        yield file


def _continued(partial: BinaryIO, vectors: np.ndarray) -> int:
    """Fills in the rows that an interrupted call has left, and says how many there are."""
    width = vectors.shape[1] * vectors.itemsize
    partial.seek(0)
    content = partial.read()
    rows = min(len(content) // width, len(vectors))
    vectors[:rows] = np.frombuffer(content[: rows * width], np.float32).reshape(rows, -1)
    partial.truncate(rows * width)  # without a row that was cut short
    return rows


def _finish(checkpoint: Path, vectors: np.ndarray, reads: str) -> None:
    new = checkpoint / f".{NAME}.npy"
    with new.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
    (checkpoint / f"{NAME}.json").write_text(json.dumps({"reads": reads}) + "\n", encoding="utf-8")
    new.replace(checkpoint / f"{NAME}.npy")
    for name in (f"{NAME}.partial", f"{NAME}.begun"):
        (checkpoint / name).unlink(missing_ok=True)


def _about(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "reads" in found else None


def _shape(recommender: Recommender) -> tuple[int, int]:
    return recommender.facts.items + 1, recommender.items.width
