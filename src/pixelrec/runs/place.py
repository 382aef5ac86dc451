"""The folder of a run from its first moment on: new, and written by one training at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from pixelrec.errors import RunError, command
from pixelrec.files.atomic import is_draft
from pixelrec.files.lock import exclusive

ITEMS, RECIPE, LOCK = "items.parquet", "recipe.yaml", ".lock"
ROWS = "rows"  # folder of the run of an id table, in that of a fitted item encoder


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Holds the lock of the folder of a new run, which is made, and removed if nothing else is written there.

    Raises:
        RunError: it is not new, cannot be written, or another process trains in it.
    """
    demand_new(folder)
    created = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{folder}: cannot be written: {error.strerror}; make room or choose another place"
            ) from None
        with training_lock(folder):
            yield
    finally:
        for place in created:
            with suppress(OSError):
                place.rmdir()


def training_lock(folder: Path) -> AbstractContextManager[None]:
    """Only one training at a time writes into a run folder; evaluations may read its best checkpoint."""
    return exclusive(folder / LOCK, f"{folder} is being trained", RunError)


def is_free(folder: Path) -> bool:
    """Whether a new run may be made there: it is missing or empty, or a training was killed while it made it.

    `run.json` is the last file that is made.
    """
    if not folder.is_dir():
        return not os.path.lexists(folder)
    names = {path.name for path in folder.iterdir()}
    return not names or (LOCK in names and {n for n in names if not is_draft(n)} <= {LOCK, ITEMS, RECIPE})


def demand_new(folder: Path) -> None:
    """Raises `RunError` unless a new run may be made there."""
    if is_free(folder):
        return
    mend = "choose another --out"
    if (folder / "run.json").exists():
        mend += f", or continue it with: {command('train', '--resume', folder)}"
    state = "is not empty" if folder.is_dir() else "is no folder"
    raise RunError(f"{folder} {state}; {mend}")
