"""A checkpoint: a folder with `model.safetensors`, and `recommender.json` to build what it belongs to."""

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

FORMAT = 2
WEIGHTS, DESCRIPTION = "model.safetensors", "recommender.json"


def write_checkpoint(folder: Path, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes both files into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    text = json.dumps({"format": FORMAT, **description}, indent=2)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint.

    Raises:
        RunError: missing or damaged.
    """
    return read_tensors(folder / WEIGHTS)


def read_hashed_weights(folder: Path) -> tuple[dict[str, Tensor], str]:
    """The same, and the SHA-256 of the very bytes they came from, whoever replaces the file meanwhile."""
    path = folder / WEIGHTS
    with _explained(path):
        content = path.read_bytes()
        return load(content), sha256(content).hexdigest()


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of the weights file of a checkpoint.

    Raises:
        RunError: missing.
    """
    with _explained(folder / WEIGHTS), (folder / WEIGHTS).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_description(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: choices, facts, and how its item encoder is built again.

    Raises:
        RunError: it is no checkpoint, or of another format.
    """
    saved = _read_json(folder / DESCRIPTION)
    if not isinstance(saved, dict):
        raise RunError(f"{folder / DESCRIPTION}: expected an object; the checkpoint is damaged")
    if saved.get("format") != FORMAT:
        raise RunError(
            f"{folder}: a checkpoint of format {saved.get('format')!r}, expected {FORMAT}; train again"
        )
    return saved


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; expected a checkpoint folder, such as RUN/best") from None
    except ValueError as error:  # of JSON, or of UTF-8
        raise RunError(f"{path}: not JSON ({error}); the checkpoint is damaged") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        RunError: missing or damaged.
    """
    with _explained(path):
        return load_file(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; the checkpoint is incomplete") from None
    except SafetensorError as error:
        raise RunError(
            f"{path}: not a readable safetensors file ({error}); the checkpoint is damaged"
        ) from None
