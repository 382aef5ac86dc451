"""The manifest of a data set, and what a folder is by it; read without arrays and frames, as answers wait."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixelrec.errors import DataError, command, option
from pixelrec.files.atomic import recover

FORMAT, VERSION = "pixelrec data set", 3
MEND = "make it again with `pixelrec prepare`"
ENTRIES = frozenset(
    {"manifest.json", "users.parquet", "items.parquet", "events", "held_out", "stats.svg", "baselines"}
)
ARRAYS = ("events/offsets", "events/items", "events/times", "events/evaluated")  # all but the held-out ones
_DIGESTED = (*ARRAYS, "held_out/items", "held_out/times", "user_ids", "item_ids")


def is_dataset(folder: Path) -> bool:
    """Whether `folder` is a data set, of any version."""
    try:
        read_manifest(folder, any_version=True)
    except DataError:
        return False
    return True


def read_manifest(folder: Path, *, any_version: bool = False) -> Mapping[str, Any]:
    if not folder.is_dir():
        make = command("prepare", "INTERACTIONS", "--out", folder)
        raise DataError(f"{folder}: no such data set; make one with `{make}`")
    path = folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{folder}: not a data set: it holds no manifest.json; {MEND}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {MEND}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{folder}: not a data set: its manifest.json is of something else; {MEND}")
    if manifest.get("version") != VERSION and not any_version:
        found = manifest.get("version")
        raise DataError(f"{folder}: a data set of format version {found!r}, expected {VERSION}; {MEND}")
    return manifest


def counts_of(folder: Path, manifest: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Users, items, interactions and evaluated users; a `DataError` if an entry of the manifest is wrong."""
    names = ("users", "items", "interactions", "evaluated_users")
    try:
        counts = [manifest["counts"][name] for name in names]
        found = [*counts, manifest["exact_repeats"], manifest.get("dropped_items", 0)]
        found += manifest.get("left_out", {}).values()
        texts = [*(manifest["digests"][name] for name in _DIGESTED), manifest["information"]]
        texts += [manifest["options"]["repeats"]]
        texts += [source[key] for source in manifest["sources"] for key in ("name", "sha256")]
        wrong = any(type(count) is not int for count in found) or not all(
            isinstance(text, str) for text in texts
        )
        users, items, interactions, evaluated = counts
        wrong = wrong or not (1 <= evaluated <= users <= interactions < 2**62 and 1 <= items < 2**31)
    except (KeyError, TypeError, AttributeError):
        wrong = True
    if wrong:
        raise DataError(
            f"{folder / 'manifest.json'}: an entry is missing, of another type or out of range; {MEND}"
        )
    return users, items, interactions, evaluated


def demand_place(out: Path, sources: Iterable[Path], overwrite: bool) -> None:
    """Raises `DataError` unless `out` is free, or a data set without the sources that may be replaced."""
    recover(out, ENTRIES)  # what a killed process left
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
