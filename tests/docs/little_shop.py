"""A shop so small that every command of every page takes a moment, with the names that pages speak of.

Pages show commands as a reader types them. Here the same commands meet few users, small pictures, small
networks under the names of large ones, one epoch and one seed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl
import yaml
from items.backbones.conftest import TINY
from recipe.test_configuration import over_ids, over_pictures

import pixelrec
from pixelrec import api
from pixelrec.api import training
from pixelrec.demonstration import demonstrate, world
from pixelrec.grid import child, ladder, plan, runner
from pixelrec.grid.cell import Cell
from pixelrec.images import pack
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.recipe import recipe

SIZE = 32  # of pictures
NETWORKS = {
    "path/to/mobilenet": "mobilenet_v2",
    "google/mobilenet_v2_1.0_224": "mobilenet_v2",
    "openai/clip-vit-base-patch32": "clip",
    "microsoft/swin-tiny-patch4-window7-224": "swin",
}
RUNS = {  # folder → recipe and options
    "runs/first": ("sasrec-id", {}),
    "runs/second": ("sasrec-id", {"seed": 1}),
    "runs/features": ("sasrec-features", {"items.file": "features/clip"}),
    "runs/pictures": ("sasrec-mobilenet", {}),
}
COPIES = {
    "RUN": "runs/first",
    "runs/a": "runs/first",
    "runs/shop": "runs/first",
    "runs/b": "runs/second",
    "runs/ids-0": "runs/first",
    "runs/ids-1": "runs/second",
    "runs/features-0": "runs/features",
    "runs/features-1": "runs/features",
    "DATA": "data/shop",
    "F": "features/clip",
}


def shrink() -> None:
    """Makes this process do little: patches that only its pages see."""
    small_world = partial(world.generate_world, users=60, items=40, picture_size=SIZE)
    world.generate_world = demonstrate.generate_world = small_world  # type: ignore[assignment]
    pack._DEFAULT = (SIZE, "stretch")
    demonstrate.PICTURE_SIZE = SIZE
    recipe._merged = partial(_small_recipe, recipe._merged)  # type: ignore[assignment]
    plan.plan = partial(_one_seed, plan.plan)  # type: ignore[assignment]
    ladder.plan_ladder = partial(_one_seed, ladder.plan_ladder)  # type: ignore[assignment]
    training.RUNGS = ("ids", "frozen", "blend")
    runner.CellProcess = _InThisProcess  # type: ignore[assignment, misc]


def _small_recipe(merged: Any, *arguments: Any) -> Any:
    values, published = merged(*arguments)
    training, fit = values.setdefault("training", {}), values.get("fit", {})
    training["epochs"] = min(1, training.get("epochs", 1))
    values["length"] = min(8, values.get("length", 8))
    if fit.get("passes"):
        fit |= {"passes": 1, "rows": 1}
    return values, published


def _one_seed(planned: Any, *arguments: Any, seeds: int, **options: Any) -> Any:  # noqa: ARG001
    return planned(*arguments, seeds=1, **options)


@final
class _InThisProcess:
    """A cell of a grid without a process of its own, which would import everything again."""

    def __init__(self, cell: Cell, lock: Any, data: Path, split: Any, jobs: int) -> None:  # noqa: ARG002
        self.cell = cell
        cell.failure_file.unlink(missing_ok=True)
        values = json.loads(json.dumps(cell.recipe.values))
        child.work(cell.recipe.name, values, str(cell.folder), str(data), split, jobs)

    def is_over(self) -> bool:
        return True

    def failure(self) -> None:
        return None

    def close(self) -> None:
        pass


def build(words: Sequence[str]) -> int:
    """The shop in the folder that is the only word, with data, networks, features and runs."""
    shrink()
    folder = Path(words[0])
    made = world.generate_world(folder / "world")
    for path in (made.interactions, made.items, made.covers):
        path.rename(folder / path.name)
    (folder / "world").rmdir()
    shutil.copy(folder / "covers" / "i3.jpg", folder / "new.jpg")
    for place, family in NETWORKS.items():
        kind = FAMILIES[family].model_class()
        kind(kind.config_class(**TINY[family])).save_pretrained(folder / place)
    source = str(folder / "path/to/mobilenet")
    data = api.prepare(
        folder / "interactions.csv",
        items=folder / "items.csv",
        covers=folder / "covers",
        out=folder / "data/shop",
    )
    _write_requests(folder, data.item_ids)
    api.extract_features(data, source=source, out=folder / "features/clip")
    for place, (name, options) in RUNS.items():
        own = {"items.file": str(folder / "features/clip")} if "items.file" in options else options
        own = {**own, "items.source": source} if name == "sasrec-mobilenet" else own
        api.train(name, data=data, out=folder / place, overrides=own)
    for place, original in COPIES.items():
        shutil.copytree(folder / original, folder / place)
    _write_folders_of_others(folder)
    return 0


def _write_folders_of_others(folder: Path) -> None:
    api.export_data(folder / "data/shop", out=folder / "dataset/ml-100k", format="recbole")
    features = folder / "features/clip"
    api.export_data(folder / "data/shop", out=folder / "data/baby", format="mmrec", image_features=features)
    published = folder / "PixelRec"
    shutil.copytree(folder / "covers", published / "covers")
    for name in ("interactions.csv", "items.csv"):
        shutil.copy(folder / name, published)
    ids, pictures = over_ids("SASRec"), over_pictures("SASRec", "vit", 1e-4, 0.1)
    for place, values in {
        "IDNet/sasrec.yaml": ids[0],
        "overall/ID.yaml": ids[1],
        "PixelNet/sasrec.yaml": pictures[0],
        "overall/ViT.yaml": pictures[1],
    }.items():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(yaml.safe_dump(values), encoding="utf-8")


def names(folder: Path) -> dict[str, Any]:
    """Of Python, that pages use without saying where they come from."""
    return {
        "pixelrec": pixelrec,
        "in_stock": ["i1", "i2", "i3", "i5"],
        "log_frame": pl.read_csv(folder / "interactions.csv"),
        "items_frame": pl.read_csv(folder / "items.csv"),
        "customers": pl.DataFrame({"user_id": ["u1", "u2"]}),
    }


def _write_requests(folder: Path, ids: Sequence[str]) -> None:
    (folder / "stock.txt").write_text("i1\ni2\ni3\ni5\n", encoding="utf-8")
    (folder / "baskets.csv").write_text("user_id,item_id\nme,i1\nme,i2\nyou,i3\n", encoding="utf-8")
    (folder / "mine.yaml").write_text("users: {name: sasrec}\n", encoding="utf-8")
    (folder / "ids.txt").write_text("\n".join(ids) + "\n", encoding="utf-8")
    vectors = np.random.default_rng(0).normal(size=(len(ids), 6))
    np.save(folder / "vectors.npy", vectors.astype(np.float32))


def enter(shop: Path, folder: Path, page: str) -> None:
    """Copies the shop into an empty folder, without what the page makes itself."""
    for file in shop.rglob("*"):
        place = file.relative_to(shop)
        written = [f"--out {place}", f'out="{place}"', f"> {place}"]
        if any(f"{each}{end}" in page for each in written for end in ("\n", " ", '"', ",", ")")):
            continue
        if not (folder / place).parent.exists():
            continue
        if file.is_dir():
            (folder / place).mkdir()
        else:
            shutil.copy(file, folder / place)
