"""A checkpoint: a folder with weights, `model.safetensors`, and their recommender, `recommender.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor

from pixelrec.errors import RunError
from pixelrec.files.json_object import read_object

FORMAT = 2
WEIGHTS, DESCRIPTION = "model.safetensors", "recommender.json"


def write_checkpoint(folder: Path, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes both files into `folder`, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    text = json.dumps({"format": FORMAT, **description}, indent=2)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint; a `RunError` if they are missing or damaged."""
    return read_tensors(folder / WEIGHTS)


def read_hashed_weights(folder: Path) -> tuple[dict[str, Tensor], str]:
    """All tensors of a checkpoint, and the SHA-256 of the bytes they were read from."""
    path = folder / WEIGHTS
    with _explained(path):
        content = path.read_bytes()
        return load(content), sha256(content).hexdigest()


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of the weights file of a checkpoint; a `RunError` if it is missing."""
    with _explained(folder / WEIGHTS), (folder / WEIGHTS).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_description(folder: Path) -> dict[str, Any]:
    """The description of a checkpoint: its configuration, data and item encoder.

    Raises:
        RunError: it is no checkpoint, damaged, or of another format.
    """
    path = folder / DESCRIPTION
    absent = f"{path}: no such file; expected a checkpoint folder, such as RUN/best"
    saved = read_object(path, "checkpoint", absent)
    if saved.get("format") != FORMAT:
        found = saved.get("format")
        raise RunError(f"{folder}: a checkpoint of format {found!r}, expected {FORMAT}; train again")
    return saved


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; a `RunError` if it is missing or damaged."""
    with _explained(path):
        return load_file(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; the checkpoint is incomplete") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise RunError(
            f"{path}: not a readable safetensors file ({error}); the checkpoint is damaged"
        ) from None
