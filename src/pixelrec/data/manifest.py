"""The manifest of a data set, and what a folder is by it; read without arrays and frames, as answers wait."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixelrec.errors import DataError, option

FORMAT, VERSION = "pixelrec data set", 3
MEND = "make it again with `pixelrec prepare`"


def is_dataset(folder: Path) -> bool:
    """Whether `folder` is a data set, of any version."""
    try:
        read_manifest(folder, any_version=True)
    except DataError:
        return False
    return True


def read_manifest(folder: Path, *, any_version: bool = False) -> Mapping[str, Any]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data set; make one with `pixelrec prepare … --out {folder}`")
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder}: not a data set: it holds no manifest.json; {MEND}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {MEND}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{folder}: not a data set: its manifest.json is of something else; {MEND}")
    if manifest.get("version") != VERSION and not any_version:
        found = manifest.get("version")
        raise DataError(f"{folder}: a data set of format version {found}, expected {VERSION}; {MEND}")
    return manifest


def demand_place(out: Path, sources: Iterable[Path], overwrite: bool) -> None:
    """Raises `DataError` unless `out` is free, or a data set without the sources that may be replaced."""
    if not (out.exists() or out.is_symlink()):
        return
    if not is_dataset(out):
        raise DataError(f"{out}: exists and is no data set, so it is not touched; choose another place")
    if not overwrite:
        raise DataError(
            f"{out}: there is a data set already; replace it with {option('overwrite')}, "
            "or choose another place"
        )
    for source in sources:
        if source.resolve().is_relative_to(out.resolve()):
            raise DataError(
                f"{source}: lies inside {out}, which would be replaced; move it, or choose another place"
            )
