"""The description of a run, `run.json`, and what a folder is by it; read before torch is, as answers wait."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelrec.errors import RunError
from pixelrec.files.json_object import MEND, read_object

FORMAT = 4
# Entries without which it is of no use; all are text.
KEYS = (
    "recipe",
    "device",
    "data",
    "data_from_here",
    "data_fingerprint",
    "item_ids",
    "recipe_sha256",
    "created",
)
FINAL = "final"  # entry of the description of a run that was trained on every event
PUBLISHED = "published"  # entry of the description of a published run, which belongs to no data set here


def read_about(folder: Path) -> dict[str, Any]:
    """Raises `RunError` if the folder is no run, or of another format."""
    if not folder.exists():
        raise RunError(f"{folder}: no such folder; give a run folder, which `pixelrec train` writes")
    no_run = f"{folder} is no run: it has no run.json; give a folder that `pixelrec train` made"
    about = read_object(folder / "run.json", "run", no_run)
    if about.get("format") != FORMAT:
        mend = "install the version that published it" if PUBLISHED in about else "train again"
        raise RunError(f"{folder}: run format {about.get('format')!r}, this version reads {FORMAT}; {mend}")
    if not isinstance(about.get("blend", {}), dict):
        raise RunError(f"{folder / 'run.json'}: blend holds no weights by part; the run is damaged: {MEND}")
    if PUBLISHED in about and ("blend" in about or not isinstance(about[PUBLISHED], dict)):
        raise RunError(f"{folder / 'run.json'}: is of no published run; the run is damaged: {MEND}")
    if not isinstance(about.get(FINAL, {"run": ""}), dict) or "run" not in about.get(FINAL, {"run": ""}):
        raise RunError(f"{folder / 'run.json'}: final names no run; the run is damaged: {MEND}")
    if absent := [key for key in KEYS if key not in _ignored(about) and not isinstance(about.get(key), str)]:
        raise RunError(
            f"{folder / 'run.json'}: has no text as {', '.join(absent)}; the run is damaged: {MEND}"
        )
    return about


def _ignored(about: Mapping[str, Any]) -> set[str]:
    """The entries that it does not have: a blend has no recipe, a published run no data set."""
    if "blend" in about:
        return {"recipe_sha256"}
    return {"data", "data_from_here", "data_fingerprint"} if PUBLISHED in about else set()
