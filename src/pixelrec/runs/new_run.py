"""Makes the folder of a new run: its recipe, the vocabulary of its items, and its description at last."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pixelrec.data.dataset import Dataset
from pixelrec.errors import RunError
from pixelrec.files.atomic import new_file, write_text
from pixelrec.files.digests import ids_digest
from pixelrec.recipe.recipe import Recipe
from pixelrec.recipe.registry import foreign_classes
from pixelrec.runs.about import FINAL, FORMAT
from pixelrec.runs.machine import processor
from pixelrec.runs.place import ITEMS, RECIPE, demand_new
from pixelrec.runs.run import Run


def create_run(
    folder: Path,
    recipe: Recipe,
    dataset: Dataset,
    *,
    reads: str = "",
    described: Mapping[str, Any] | None = None,
    start: Mapping[str, str] | None = None,
    final: Mapping[str, Any] | None = None,
) -> Run:
    """Makes the folder of a new run.

    reads: fingerprint of the pictures that its item encoder reads, if any. described: description of the item
    encoder, whose pretrained networks are recorded. start: the run whose weights it starts from, and their
    hash. final: entry of a final run. Raises `RunError` if the folder is not empty.
    """
    written = recipe.dump(named=True)
    found = {
        "recipe_sha256": sha256(written.encode()).hexdigest(),
        "classes": foreign_classes(recipe.config),
        "pictures_fingerprint": reads,
        "pretrained": _provenance(described or {}, "items"),
        "warm_start": dict(start or {}),
        FINAL: dict(final or {}),
    }
    about = about_now(folder, recipe.name, recipe.training.device, dataset)
    demand_new(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECIPE, written, RunError)
    return write_run(folder, about | {key: value for key, value in found.items() if value}, dataset)


def write_run(folder: Path, about: Mapping[str, Any], dataset: Dataset) -> Run:
    """Writes the vocabulary, and at last the description."""
    with new_file(folder / ITEMS, RunError) as draft:
        shutil.copyfile(dataset.folder / "items.parquet", draft)
    write_text(folder / "run.json", json.dumps(about, indent=2) + "\n", RunError)
    return Run(folder, about)


def about_now(folder: Path, recipe: str, device: str, dataset: Dataset) -> dict[str, Any]:
    """The description of a run that is made in `folder` now."""
    data = dataset.folder.resolve()
    return {
        "format": FORMAT,
        "recipe": recipe,
        "device": device,
        "data": str(data),
        "data_from_here": os.path.relpath(data, folder.resolve()),
        "data_fingerprint": dataset.fingerprint,
        "item_ids": ids_digest(dataset.item_ids),
        "id_types": dataset.id_types.names,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "pixelrec": version("pixelrec"),
        "torch": torch.__version__,
        "machine": f"{processor()}, {os.cpu_count()} cores",
    }


def _provenance(described: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Source and revision of each pretrained network, by its place in the recipe."""
    if "provenance" in described:
        return {place: described["provenance"]}
    parts = ((name, part) for name, part in described.items() if isinstance(part, Mapping))
    return {k: v for name, part in parts for k, v in _provenance(part, f"{place}.parts.{name}").items()}


def new_folder(recipe: Recipe, runs: Path = Path("runs")) -> Path:
    """`runs/<date>-<time>-<recipe>`, with a number if that exists."""
    name = f"{datetime.now():%Y-%m-%d-%H%M%S}-" + re.sub(r"[^\w.-]+", "-", recipe.name)
    taken = (f"{name}-{n}" if n > 1 else name for n in range(1, 10**6))
    return next(runs / name for name in taken if not (runs / name).exists())
