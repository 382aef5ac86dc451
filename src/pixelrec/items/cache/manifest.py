"""What a folder of activations says of itself: whose they are, how far it is, and checksums.

```
<parent>/<16 digits of the key>/
├── manifest.json   format, version, key, complete; replaced as a whole
├── states.bin      a row per item number, 0 … N; row 0 is zero
├── chunks.bin      append-only: a record per finished chunk of rows
└── lock            held by whoever writes
```
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pixelrec.errors import ImageError
from pixelrec.items.cache.key import ActivationKey

FORMAT = "pixelrec activations"
VERSION = 1
MANIFEST, STATES, CHUNKS, LOCK = "manifest.json", "states.bin", "chunks.bin", "lock"
_RECORD = struct.Struct("<QI")


class Chunk(NamedTuple):
    """Rows of the file that were written together."""

    stop: int  # the first row after them; they start where the chunk before them stops
    checksum: int  # CRC-32 of their bytes

    def packed(self) -> bytes:
        return _RECORD.pack(*self)


CHUNK_BYTES = _RECORD.size


def folder_of(parent: Path, key: ActivationKey) -> Path:
    """Where the activations with that key lie, among those with others."""
    return parent / key.digest[:16]


def is_complete(folder: Path, key: ActivationKey) -> bool:
    """Whether all states are there; false where nothing is there yet.

    Raises:
        ImageError: it is damaged, of another version, or of another key.
    """
    # In this order: a writer makes the manifest first, perhaps right now.
    states_exist = (folder / STATES).exists()
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        complete = _complete(values, folder, key)
    except (FileNotFoundError, NotADirectoryError):
        if states_exist:
            raise damage(folder, f"{MANIFEST} is missing") from None
        return False
    except OSError as error:
        raise ImageError(f"cannot read the activations in {folder}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise damage(folder, f"{MANIFEST} cannot be read") from None
    return complete


def _complete(values: Any, folder: Path, key: ActivationKey) -> bool:
    if (values["format"], values["version"]) != (FORMAT, VERSION):
        raise ImageError(
            f"the activations in {folder} are {values['format']!r} of version {values['version']}, this "
            f"pixelrec reads {FORMAT!r} of version {VERSION}: delete the folder, and they are computed again"
        )
    found, asked = values["key"], _as_read(key)
    if found != asked:
        other = ", ".join(sorted(w for w in found.keys() | asked.keys() if found.get(w) != asked.get(w)))
        raise ImageError(
            f"the activations in {folder} belong to another network or other pictures ({other} differ): "
            "delete the folder, and they are computed again"
        )
    return values["complete"] is True


def write_manifest(folder: Path, key: ActivationKey, *, complete: bool) -> None:
    """Replace the manifest."""
    values = {"format": FORMAT, "version": VERSION, "complete": complete, "key": asdict(key)}
    new = folder / f".{MANIFEST}.new"
    with new.open("w", encoding="utf-8") as file:
        file.write(json.dumps(values, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())  # a rename may reach the disk before what it names
    new.replace(folder / MANIFEST)


def read_chunks(folder: Path) -> list[Chunk]:
    """The finished chunks, in order; a record that was cut short does not count."""
    path = folder / CHUNKS
    text = path.read_bytes() if path.exists() else b""
    whole = len(text) // CHUNK_BYTES * CHUNK_BYTES
    return [Chunk(*record) for record in _RECORD.iter_unpack(text[:whole])]


def damage(folder: Path, what: str) -> ImageError:
    """The error that says so and how to mend it."""
    return ImageError(
        f"the activations in {folder} are damaged ({what}): delete the folder, and they are computed again"
    )


def _as_read(key: ActivationKey) -> dict[str, Any]:
    """The key as JSON gives it back: tuples have become lists."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(key)))
    return values
