"""The entries of a folder of activations: what they are, whether they are in use, and deleting the others."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pixelrec.errors import ImageError
from pixelrec.files.lock import Lock
from pixelrec.files.regular import demand_regular
from pixelrec.items.cache.manifest import LOCK, MANIFEST, STATES


@dataclass(frozen=True)
class Entry:
    """The activations of one frozen network for one catalogue."""

    folder: Path
    summary: str  # the pictures, the network's depth and the dtype, or why that is unknown
    size: int  # bytes on the disk
    last_used: datetime  # when training or evaluation last opened it, or wrote it
    in_use: bool  # whether a process reads or writes it now


def list_activations(parent: Path) -> list[Entry]:
    """All entries in `parent`, the least recently used first; none if there is no such folder.

    parent: `DATA/activations`, or the `items.cache_folder` of a recipe. `ImageError` if it cannot be read.
    """
    try:
        folders = [
            path for path in parent.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name) and path.is_dir()
        ]
        entries = [_entry(folder) for folder in folders]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ImageError(f"cannot read the activations in {parent}: {error.strerror}") from None
    return sorted(entries, key=lambda entry: (entry.last_used, entry.folder))


def delete_activations(parent: Path, *, unused_since: datetime | None = None) -> list[Entry]:
    """Delete the entries that no process uses, and return them; a later training computes them again.

    unused_since: keep the entries used at this time or later; none: keep only those in use. `ImageError` if
    an entry cannot be deleted.
    """
    candidates = [e for e in list_activations(parent) if unused_since is None or e.last_used < unused_since]
    return [entry for entry in candidates if _delete(entry.folder)]


def _entry(folder: Path) -> Entry:
    stats = [path.stat() for path in folder.iterdir() if path.is_file()]
    times = [stat.st_mtime for stat in stats] or [folder.stat().st_mtime]
    with ExitStack() as locks:
        in_use = not _lock(folder, locks)
    size = sum(stat.st_blocks * 512 for stat in stats)
    return Entry(folder, _summary(folder), size, datetime.fromtimestamp(max(times)).astimezone(), in_use)


def _summary(folder: Path) -> str:
    try:
        demand_regular(folder / MANIFEST)
        values: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        key, incomplete = values["key"], "" if values["complete"] else ", incomplete"
        shape = " × ".join(map(str, key["shape"]))
        return (
            f"{key['items']:,} pictures of {key['size']} pixels after {key['boundary']} frozen parts, "
            f"{shape} in {key['dtype']}{incomplete}"
        )
    except FileNotFoundError:
        return f"no {MANIFEST}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"unreadable {MANIFEST}"


def _delete(folder: Path) -> bool:
    """False if a process uses it."""
    try:
        with ExitStack() as locks:
            if not _lock(folder, locks):
                return False
            shutil.rmtree(folder)
    except OSError as error:
        raise ImageError(f"cannot delete the activations in {folder}: {error.strerror}") from None
    return True


def _lock(folder: Path, locks: ExitStack) -> bool:
    """Lock out writers and readers until `locks` is closed; false if there is one."""
    if (folder / LOCK).exists():
        writer = Lock.acquire(folder / LOCK)
        if writer is None:
            return False
        locks.enter_context(writer)
    with suppress(FileNotFoundError):
        if not (folder / STATES).is_file():
            return True
        states = locks.enter_context((folder / STATES).open("rb"))
        try:
            fcntl.flock(states, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
    return True
