"""The description of a run, `run.json`, and what a folder is by it; read before torch is, as answers wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelrec.errors import RunError
from pixelrec.files.json_object import read_object

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


def read_about(folder: Path) -> dict[str, Any]:
    """Raises `RunError` if the folder is no run, or of another format."""
    if not folder.exists():
        raise RunError(f"{folder}: no such folder; give a run folder, which `pixelrec train` writes")
    no_run = f"{folder} is no run: it has no run.json; give a folder that `pixelrec train` made"
    about = read_object(folder / "run.json", "run", no_run)
    if about.get("format") != FORMAT:
        raise RunError(
            f"{folder}: run format {about.get('format')!r}, this version reads {FORMAT}; train again"
        )
    if not isinstance(about.get("blend", {}), dict):
        raise RunError(f"{folder / 'run.json'}: blend holds no weights by part; the run is damaged")
    ignored = {"recipe_sha256"} if "blend" in about else set()  # a blend has no recipe
    if absent := [key for key in KEYS if key not in ignored and not isinstance(about.get(key), str)]:
        raise RunError(f"{folder / 'run.json'}: has no text as {', '.join(absent)}; the run is damaged")
    return about
