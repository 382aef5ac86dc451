"""The one way to write: a file or a folder appears whole or not at all, and is on the disk when it appears.

A file is written as `.<name>.<random>.draft` beside its place and renamed. A folder is built in
`.<name>.draft/new`, beside a lock that its one writer holds; the folder that it replaces becomes
`.<name>.draft/old` between two renames. Drafts of dead processes are recognised by their lock being free; the
next writer removes them, and undoes or finishes a replacement that was cut short. Links in the path are
followed, so that the folder or file they point to is replaced, on its own disk.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from safetensors import SafetensorError

from pixelrec.errors import PixelrecError, RunError, option
from pixelrec.files.lock import Lock, flock, holder, is_at

_REMEDY = "make room or choose another place"


@contextmanager
def new_file(path: Path, error: type[PixelrecError], *, remedy: str = _REMEDY) -> Iterator[Path]:
    """Yields the path of an empty draft, which replaces `path` when the block ends without an error.

    Raises:
        PixelrecError: of type `error`, with `remedy`: the file cannot be written, or `path` is no file.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise error(f"{path}: is a folder, pipe or device, which a file cannot replace; choose another place")
    with _explained(path, error, remedy):
        _remove_dead_drafts(path)
        draft, descriptor = _new_draft(path)
        try:
            yield draft
            _sync(draft)
            draft.replace(path)
            _sync(path.parent)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            os.close(descriptor)


def write_text(path: Path, text: str, error: type[PixelrecError]) -> None:
    """Replaces the file at `path`. A lone surrogate, which has no UTF-8, becomes a question mark.

    Raises:
        PixelrecError: of type `error`: it cannot be written.
    """
    with new_file(path, error) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace")


@contextmanager
def new_folder(
    out: Path,
    error: type[PixelrecError],
    *,
    ours: frozenset[str] | None = None,
    resumable: bool = False,
    remedy: str = _REMEDY,
) -> Iterator[Path]:
    """Yields a folder to fill, which replaces `out` when the block ends without an error.

    Args:
        out: its parents are made, and removed again if they stay empty.
        error: the type of what is raised.
        ours: entries that are replaced; others of a folder at `out` move to the new one. None: replace all.
        resumable: keep the folder as it is where the block ends with an error, and yield it the next time.
        remedy: the end of the message where the place cannot be written.

    Raises:
        PixelrecError: of type `error`: the place cannot be written, or another process is writing it.
    """
    out = out.resolve()
    if out.is_mount():
        raise error(f"{out}: a mount point cannot be replaced as a whole; choose a folder inside it")
    created = [parent for parent in out.parents if not parent.exists()]  # the innermost first
    try:
        with _explained(out, error, remedy):
            out.parent.mkdir(parents=True, exist_ok=True)
            with _workplace(out, error, resumable) as work:
                _restore(work, out, ours)
                new = work / "new"
                new.mkdir(exist_ok=resumable)
                yield new
                _sync_tree(new)
                _swap(work, out, ours)
    finally:
        for parent in created:
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def in_place(out: Path, error: type[PixelrecError]) -> Iterator[Path]:
    """Yields `out`, its links followed, for changes that are transactions of their own; locked meanwhile.

    Raises:
        PixelrecError: of type `error`: the place cannot be written, or another process is writing it.
    """
    out = out.resolve()
    with _explained(out, error, _REMEDY):
        out.parent.mkdir(parents=True, exist_ok=True)
        with _workplace(out, error) as work:
            _restore(work, out, None)
            yield out


def recover(out: Path, ours: frozenset[str] | None, *, resumable: bool = False) -> None:
    """Undoes or finishes a replacement of `out` that was cut short, unless it is still under way.

    A `resumable` one may go on: what it has filled is kept.
    """
    out = out.resolve()
    if _work(out).is_dir():
        with suppress(OSError, RunError), _workplace(out, RunError, resumable) as work:
            _restore(work, out, ours)


def whole(out: Path) -> Path:
    """`out`, or its old state between the two renames of a replacement, which may have been killed there."""
    old = _work(out.resolve()) / "old"
    return old if not out.exists() and old.exists() else out


def demand_empty(folder: Path, error: type[PixelrecError], remedy: str) -> None:
    """Raises `error` unless a folder to write is missing or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        state = "is not empty" if folder.is_dir() else "is no folder"
        raise error(f"{folder} {state}; {remedy}")


def demand_free(file: Path, overwrite: bool, error: type[PixelrecError]) -> None:
    """Raises `error` for a file that is there already, unless it is to be replaced."""
    if file.exists() and not overwrite:
        raise error(
            f"{file} is there already; replace it with {option('overwrite')}, or choose another --out"
        )


@contextmanager
def _explained(path: Path, error: type[PixelrecError], remedy: str) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as cause:
        reason = (cause.strerror if isinstance(cause, OSError) else None) or " ".join(str(cause).split())
        raise error(f"{path}: cannot be written: {reason}; {remedy}") from cause


def _new_draft(path: Path) -> tuple[Path, int]:
    """A locked empty file beside `path`."""
    while True:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if flock(descriptor) is not False and is_at(descriptor, draft):
            return draft, descriptor
        os.close(descriptor)  # taken for the draft of a dead process between the two lines


def is_draft(name: str) -> bool:
    """Whether a file or folder of this name is a draft of another one."""
    return name.startswith(".") and name.endswith(".draft")


def _remove_dead_drafts(path: Path) -> None:
    for draft in path.parent.glob(f".{escape(path.name)}.????????.draft"):
        with suppress(OSError):
            descriptor = os.open(draft, os.O_RDWR)
            if flock(descriptor):
                draft.unlink()
            os.close(descriptor)


def _work(out: Path) -> Path:
    return out.parent / f".{out.name}.draft"  # `with_name` refuses the root


@contextmanager
def _workplace(out: Path, error: type[PixelrecError], resumable: bool = False) -> Iterator[Path]:
    """The folder of everything that is under way for `out`, locked."""
    work = _work(out)
    while True:
        work.mkdir(exist_ok=True)
        try:
            lock = Lock.acquire(work / "lock")
            break
        except FileNotFoundError:  # its last holder has removed the folder meanwhile
            continue
        except OSError:
            with suppress(OSError):
                work.rmdir()
            raise
    if lock is None:
        by = holder(work / "lock")
        raise error(f"{out} is being written by {by}: wait until it has finished, or stop it")
    try:
        with lock:
            try:
                if not resumable:
                    _discard_drafts(work)
                yield work
            finally:
                if not resumable:
                    _discard_drafts(work)
    finally:
        with suppress(OSError):  # another process has it by now, or an old folder could not be emptied
            work.rmdir()


def _discard_drafts(work: Path) -> None:
    """Removes the new folder, and drafts within it."""
    for entry in work.iterdir():
        if entry.name not in {"lock", "old"}:
            shutil.rmtree(entry, ignore_errors=True)


def _restore(work: Path, out: Path, ours: frozenset[str] | None) -> None:
    """Puts an old folder back if its successor is not in place, else finishes its removal."""
    if (work / "old").exists():
        if out.exists():
            _retire(work / "old", out, ours)
        else:
            (work / "old").rename(out)


def _swap(work: Path, out: Path, ours: frozenset[str] | None) -> None:
    new, old = work / "new", work / "old"
    if not out.exists():
        new.rename(out)
    else:
        out.rename(old)
        try:
            new.rename(out)
        except OSError:
            old.rename(out)
            raise
    _sync(out.parent)
    if old.exists():
        _retire(old, out, ours)


def _retire(old: Path, out: Path, ours: frozenset[str] | None) -> None:
    """Moves the entries of the old folder that were not replaced to the new one, and removes the rest."""
    if ours is not None:
        for entry in sorted(old.iterdir()):
            if entry.name in ours:
                continue
            if not os.path.lexists(out / entry.name):
                entry.rename(out / entry.name)
            elif entry.is_dir():  # the new folder has some of its own, such as features
                for inner in sorted(entry.iterdir()):
                    if not os.path.lexists(out / entry.name / inner.name):
                        inner.rename(out / entry.name / inner.name)
    shutil.rmtree(old)


def _sync_tree(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            if not Path(place, name).is_symlink():
                _sync(Path(place, name))
        _sync(Path(place))


def _sync(path: Path) -> None:
    """Hands a file or a folder to the disk: a rename may otherwise arrive there before the content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if path.is_file():  # not every file system can do that for a folder
            raise
    finally:
        os.close(descriptor)
