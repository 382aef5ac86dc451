"""A folder comes into being whole or not at all: built beside its place under a hidden name, then renamed.

Names of folders under way carry the process that builds them: `.<name>.partial-<pid>` is what is being
written, `.<name>.replaced-<pid>` what is being replaced. What a dead process left is cleared, or finished, at
the next start.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pixelrec.errors import DataError


def recover(out: Path, ours: frozenset[str]) -> None:
    """Undoes, finishes or clears what processes that are dead left of earlier attempts at `out`.

    Raises:
        DataError: the place cannot be written.
    """
    try:
        if out.parent.is_dir():
            _each_stale(
                out, "replaced", lambda old: _retire(old, out, ours) if out.exists() else old.rename(out)
            )
            _each_stale(out, "partial", shutil.rmtree)
    except OSError as error:
        raise _unwritable(out, error) from error


@contextmanager
def published(out: Path, ours: frozenset[str]) -> Iterator[Path]:
    """Yields an empty folder to fill, which becomes `out` when the block ends well, and vanishes when not.

    A folder that is there already is replaced, in two renames; entries of it that are not named in `ours`
    move on to the new one.

    Raises:
        DataError: the place cannot be written.
    """
    created = _missing_parents(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(out, "partial", os.getpid())
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        yield partial
        _swap(partial, out, ours)
    except OSError as error:
        _discard(partial, created)
        raise _unwritable(out, error) from error
    except BaseException:
        _discard(partial, created)
        raise


def _unwritable(out: Path, error: OSError) -> DataError:
    reason = error.strerror or error
    return DataError(f"{out}: cannot be written: {reason}; make room or choose another place")


def _beside(out: Path, state: str, pid: int) -> Path:
    return out.with_name(f".{out.name}.{state}-{pid}")


def _missing_parents(out: Path) -> list[Path]:
    return [parent for parent in out.parents if not parent.exists()]  # the innermost first


def _discard(partial: Path, created: list[Path]) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    for folder in created:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _swap(partial: Path, out: Path, ours: frozenset[str]) -> None:
    if not out.exists():
        partial.rename(out)
        return
    replaced = _beside(out, "replaced", os.getpid())
    out.rename(replaced)
    try:
        partial.rename(out)
    except OSError:
        replaced.rename(out)
        raise
    _retire(replaced, out, ours)


def _retire(replaced: Path, out: Path, ours: frozenset[str]) -> None:
    """Moves what is not ours to the new folder, and removes the old one unless something found no place."""
    for entry in sorted(replaced.iterdir()):
        if entry.name in ours:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        elif not (out / entry.name).exists():
            entry.rename(out / entry.name)
    if not any(replaced.iterdir()):
        replaced.rmdir()


def _each_stale(out: Path, state: str, act: Callable[[Path], object]) -> None:
    name = re.compile(re.escape(f".{out.name}.{state}-") + r"(\d+)")
    for entry in sorted(out.parent.iterdir()):
        matched = name.fullmatch(entry.name)
        if matched and entry.is_dir() and not entry.is_symlink() and not _alive(int(matched[1])):
            act(entry)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
