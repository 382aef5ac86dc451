"""The description of a folder of activations: its key, its state, and checksums.

```
<parent>/<16 digits of the key's digest>/
├── manifest.json   format, version, key, complete, CPU seconds; its modification time is that of the last use
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
from typing import NamedTuple

from pixelrec.errors import ImageError
from pixelrec.files.atomic import write_text
from pixelrec.files.regular import demand_regular
from pixelrec.items.cache.key import ActivationKey

FORMAT = "pixelrec activations"
VERSION = 1
MANIFEST, STATES, CHUNKS, LOCK = "manifest.json", "states.bin", "chunks.bin", "lock"
RECORD = struct.Struct("<QI")


class Chunk(NamedTuple):
    """Rows of the file that were written together."""

    stop: int  # the first row after them; they start where the previous chunk stops
    checksum: int  # CRC-32 of their bytes


def folder_of(parent: Path, key: ActivationKey) -> Path:
    """The folder of the activations with that key."""
    return parent / key.digest[:16]


def is_complete(folder: Path, key: ActivationKey) -> bool:
    """Whether all states have been written; `ImageError` for a damaged folder, another version or key."""
    # In this order: a writer makes the manifest first, perhaps right now.
    states_exist = (folder / STATES).exists()
    try:
        for name in (MANIFEST, STATES, CHUNKS):
            if (folder / name).exists():
                demand_regular(folder / name)
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if (values["format"], values["version"]) != (FORMAT, VERSION):
            raise ImageError(
                f"the activations in {folder} are {values['format']!r} of version {values['version']}, this "
                f"pixelrec reads {FORMAT!r} of version {VERSION}: delete the folder, and they are recomputed"
            )
        found, expected = values["key"], json.loads(json.dumps(asdict(key)))  # JSON turns tuples into lists
        if found == expected:
            return values["complete"] is True
        other = [word for word in found.keys() | expected.keys() if found.get(word) != expected.get(word)]
    except (FileNotFoundError, NotADirectoryError):
        if states_exist:
            raise damage(folder, f"{MANIFEST} is missing") from None
        return False
    except OSError as error:
        raise ImageError(f"cannot read the activations in {folder}: {error.strerror}") from None
    except (AttributeError, ValueError, KeyError, TypeError, RecursionError):
        raise damage(folder, f"{MANIFEST} cannot be read") from None
    raise ImageError(
        f"the activations in {folder} belong to another network or other pictures "
        f"({', '.join(sorted(other))} differ): delete the folder, and they are recomputed"
    )


def write_manifest(folder: Path, key: ActivationKey, *, complete: bool, cpu_seconds: float = 0.0) -> None:
    """Replace the manifest. cpu_seconds: of computing all states."""
    values = {"format": FORMAT, "version": VERSION, "complete": complete, "key": asdict(key)}
    values |= {"cpu_seconds": cpu_seconds}
    write_text(folder / MANIFEST, json.dumps(values, indent=2) + "\n", ImageError)


def read_cpu_seconds(folder: Path) -> float:
    """The CPU seconds of computing all states; 0 if that is unknown."""
    return float(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("cpu_seconds", 0.0))


def read_chunks(folder: Path) -> list[Chunk]:
    """The finished chunks, in order; a truncated last record does not count."""
    path = folder / CHUNKS
    content = path.read_bytes() if path.exists() else b""
    whole = len(content) // RECORD.size * RECORD.size
    return [Chunk(*record) for record in RECORD.iter_unpack(content[:whole])]


def damage(folder: Path, what: str) -> ImageError:
    """The error for a damaged folder."""
    return ImageError(
        f"the activations in {folder} are damaged ({what}): delete the folder, and they are recomputed"
    )
