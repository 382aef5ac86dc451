"""Test metrics of a recipe over features by `items.pca` d and `items.whiten` α, in the demo's generated shop.

    OMP_NUM_THREADS=1 python benchmarks/treatments.py --source FOLDER [--epochs 20]

A checkpoint of a picture network makes the features; or give a data set and features of your own. The table
of docs/features.md is of MobileNetV2.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pixelrec import api
from pixelrec.console.numbers import percent
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import generate_world
from pixelrec.errors import RecipeError
from pixelrec.images.pack import pack

DIMENSIONS = (None, 16, 64, 256)
EXPONENTS = (0.0, 0.5, 1.0)
SIZE = 224


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, features = arguments.data, arguments.file
        if features is None:
            data, features = _shop(folder, arguments.source)
        print("| d | α | Recall@10 | NDCG@10 | NDCG@10, long tail |\n|---|---|---|---|---|")
        for dimensions in DIMENSIONS:
            for exponent in EXPONENTS:
                treatment = {"items.pca": dimensions, "items.whiten": exponent}
                options = {"items.file": str(features), "training.epochs": arguments.epochs, **treatment}
                options |= {"length": 20, "training.patience": 5, "seed": arguments.seed}
                row = _row(data, options, folder / f"{dimensions}-{exponent}")
                print(f"| {dimensions or 'all'} | {exponent:g} | {row} |", flush=True)


def _row(data: Path, options: dict[str, object], folder: Path) -> str:
    try:
        run = api.train("sasrec-features", data=data, out=folder, overrides=options)
    except RecipeError as error:
        return f"{error} | |"
    found = api.evaluate(run)
    overall, tail = found.overall.metrics[run.name], found.slice("long-tail items")
    values = [overall["Recall@10"], overall["NDCG@10"]]
    values += [tail.metrics[run.name]["NDCG@10"]] if tail is not None else []
    return " | ".join(map(percent, values))


def _shop(folder: Path, source: str) -> tuple[Path, Path]:
    world = generate_world(folder / "world", seed=0)
    data: Dataset = api.prepare(world.interactions, out=folder / "data", items=world.items)
    pack(world.covers, data.covers, list(data.item_ids), size=SIZE)
    return data.folder, api.extract_features(data, source=source, out=folder / "features").features.folder


if __name__ == "__main__":
    main()
