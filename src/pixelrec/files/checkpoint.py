"""A checkpoint: a folder with weights, `model.safetensors`, and their recommender, `recommender.json`.

The description holds a digest of itself and of each section of the weights (`items`, `users`, `scoring`), so
that a checkpoint changed by anything but training is not used, and a section can be read and checked alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, load_file
from torch import Tensor

from pixelrec.errors import RunError
from pixelrec.files.digests import file_digest
from pixelrec.files.json_object import MEND, digest_of, read_object
from pixelrec.files.regular import demand_regular
from pixelrec.files.tensors import bytes_of, write_tensors

FORMAT = 3
WEIGHTS, DESCRIPTION = "model.safetensors", "recommender.json"
_SPEC = {"users", "items", "length"}
_READS = 3  # at most: training may replace a checkpoint between the reads of its two files


def write_checkpoint(folder: Path, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes both files into `folder`, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / WEIGHTS, weights)
    about = json.loads(json.dumps({"format": FORMAT, **description, "weights": section_digests(weights)}))
    text = json.dumps({**about, "digest": digest_of(about)}, indent=2)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_checkpoint(folder: Path, *, without: str = "") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description of a checkpoint, and its tensors, those of section `without` left out.

    Raises:
        RunError: it is no checkpoint, of another format, or a file is missing, damaged or changed.
    """
    for _ in range(_READS):
        description = read_description(folder)
        expected = {name: found for name, found in description["weights"].items() if name != without}
        tensors = _read_sections(folder / WEIGHTS, without)
        if section_digests(tensors) == expected:
            return description, tensors
    raise _changed(folder)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint; a `RunError` if they are missing, damaged or changed."""
    return read_checkpoint(folder)[1]


def read_hashed_weights(folder: Path) -> tuple[dict[str, Tensor], str]:
    """All tensors of a checkpoint, and the SHA-256 of the bytes they were read from."""
    path = folder / WEIGHTS
    for _ in range(_READS):
        description = read_description(folder)
        with _explained(path):
            content = path.read_bytes()
            tensors = load(content)
        if section_digests(tensors) == description["weights"]:
            return tensors, sha256(content).hexdigest()
    raise _changed(folder)


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of the weights file of a checkpoint; a `RunError` if it is missing."""
    with _explained(folder / WEIGHTS):
        return file_digest(folder / WEIGHTS)


def read_description(folder: Path) -> dict[str, Any]:
    """The description of a checkpoint: its configuration, data, item encoder, and digests of its weights.

    Raises:
        RunError: it is no checkpoint, damaged, changed, or of another format.
    """
    path = folder / DESCRIPTION
    absent = f"{path}: no such file; expected a checkpoint folder, such as RUN/best"
    saved = read_object(path, "checkpoint", absent)
    if saved.get("format") != FORMAT:
        found = saved.get("format")
        raise RunError(f"{folder}: a checkpoint of format {found!r}, expected {FORMAT}; train again")
    if saved.pop("digest", None) != digest_of(saved):
        raise RunError(f"{path}: was changed since it was saved; {MEND}")
    spec, weights = saved.get("spec", {}), saved.get("weights")
    sound = isinstance(spec, dict) and all(isinstance(each, int) and each >= 0 for each in spec.values())
    if not sound or not isinstance(weights, dict) or ("spec" in saved and not spec.keys() >= _SPEC):
        raise RunError(f"{path}: has no sizes or no digests of weights; the checkpoint is damaged: {MEND}")
    return saved


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; a `RunError` if it is missing or damaged."""
    with _explained(path):
        return load_file(path)


def section_digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 over names, types, shapes and bytes of the tensors of each section, which names begin with."""
    hashes: dict[str, Any] = {}
    for name in sorted(tensors):
        tensor = tensors[name]
        section = hashes.setdefault(name.partition(".")[0], sha256())
        section.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        section.update(bytes_of(tensor))
    return {name: found.hexdigest() for name, found in hashes.items()}


def _read_sections(path: Path, without: str) -> dict[str, Tensor]:
    with _explained(path), safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.partition(".")[0] != without]  # noqa: SIM118
        return {name: file.get_tensor(name) for name in names}


def _changed(folder: Path) -> RunError:
    return RunError(
        f"{folder / WEIGHTS}: not the weights that were saved with {DESCRIPTION}; put both back from a copy, "
        "or train again"
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        demand_regular(path)
        yield
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; the checkpoint is incomplete: {MEND}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise RunError(
            f"{path}: not a readable safetensors file ({error}); the checkpoint is damaged: {MEND}"
        ) from None
