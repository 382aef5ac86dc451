"""The description of a folder of activations: its key, its state, and checksums.

```
<parent>/<16 digits of the key's digest>/
├── manifest.json   format, version, key, complete; its modification time is that of the last use
├── states.bin      one row per item number, 0 … N; row 0 is zero; readers hold a shared lock on it
├── chunks.bin      append-only: one record per finished chunk of rows
└── lock            held by the process that writes
```
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pixelrec.errors import ImageError
from pixelrec.files.atomic import write_text
from pixelrec.items.cache.key import ActivationKey

FORMAT = "pixelrec activations"
VERSION = 1
MANIFEST, STATES, CHUNKS, LOCK = "manifest.json", "states.bin", "chunks.bin", "lock"
_RECORD = struct.Struct("<QI")


class Chunk(NamedTuple):
    """Rows of the file that were written together."""

    stop: int  # the first row after them; they start where the previous chunk stops
    checksum: int  # CRC-32 of their bytes

    def packed(self) -> bytes:
        return _RECORD.pack(*self)


CHUNK_BYTES = _RECORD.size


def folder_of(parent: Path, key: ActivationKey) -> Path:
    """The folder of the activations with that key."""
    return parent / key.digest[:16]


def is_complete(folder: Path, key: ActivationKey) -> bool:
    """Whether all states have been written; false if there is nothing yet.

    Raises:
        ImageError: the folder is damaged, or of another version or key.
    """
    # In this order: a writer makes the manifest first, perhaps right now.
    states_exist = (folder / STATES).exists()
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return _complete(values, folder, key)
    except (FileNotFoundError, NotADirectoryError):
        if states_exist:
            raise damage(folder, f"{MANIFEST} is missing") from None
        return False
    except OSError as error:
        raise ImageError(f"cannot read the activations in {folder}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise damage(folder, f"{MANIFEST} cannot be read") from None


def _complete(values: Any, folder: Path, key: ActivationKey) -> bool:
    if (values["format"], values["version"]) != (FORMAT, VERSION):
        raise ImageError(
            f"the activations in {folder} are {values['format']!r} of version {values['version']}, this "
            f"pixelrec reads {FORMAT!r} of version {VERSION}: delete the folder, and they are recomputed"
        )
    found, expected = values["key"], json.loads(json.dumps(asdict(key)))  # JSON turns tuples into lists
    if found != expected:
        words = found.keys() | expected.keys()
        other = ", ".join(sorted(word for word in words if found.get(word) != expected.get(word)))
        raise ImageError(
            f"the activations in {folder} belong to another network or other pictures ({other} differ): "
            "delete the folder, and they are recomputed"
        )
    return values["complete"] is True


def write_manifest(folder: Path, key: ActivationKey, *, complete: bool) -> None:
    """Replace the manifest."""
    values = {"format": FORMAT, "version": VERSION, "complete": complete, "key": asdict(key)}
    write_text(folder / MANIFEST, json.dumps(values, indent=2) + "\n", ImageError)


def read_chunks(folder: Path) -> list[Chunk]:
    """The finished chunks, in order; a truncated last record does not count."""
    path = folder / CHUNKS
    content = path.read_bytes() if path.exists() else b""
    whole = len(content) // CHUNK_BYTES * CHUNK_BYTES
    return [Chunk(*record) for record in _RECORD.iter_unpack(content[:whole])]


def damage(folder: Path, what: str) -> ImageError:
    """The error for a damaged folder."""
    return ImageError(
        f"the activations in {folder} are damaged ({what}): delete the folder, and they are recomputed"
    )
