"""The recipe over every depth of MobileNetV2 beside the last layer alone and ids, on a data set with covers.

    OMP_NUM_THREADS=1 python benchmarks/depths.py DATA CHECKPOINT          # three seeds, validation
    OMP_NUM_THREADS=1 python benchmarks/depths.py DATA CHECKPOINT --split test --ways ids last all
    … --length 20 --rate 0.002 --epochs 14 --patience 5         # the settings in the demo's shop

`--joined` takes the sum of ids and pictures in place of pictures. NDCG@10 in % over all items, over items
with fewer than five training events (few), without any (new), and with at least five (many). Differences are
paired over users, seeds averaged, with 95 % intervals. Trained runs are kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pixelrec.choices import OVER_IDS, OVER_PICTURES
from pixelrec.data.dataset import Dataset
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.images.store import PictureStore
from pixelrec.recipe.recipe import Recipe, read_recipe
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks
from pixelrec.runs.train import resume_run, train_recipe

METRIC = "NDCG@10"
JOINED = "sasrec-id-mobilenet"
DEPTHS: Mapping[str, Any] = {"last": None, "blocks": "blocks", "all": "all"}


def main() -> None:
    given = _arguments()
    torch.set_num_threads(1)
    dataset, console = Dataset.open(given.data), Console(quiet=True)
    found: dict[str, list[np.ndarray]] = {}
    slices: dict[str, np.ndarray] = {}
    for seed in range(given.seeds):
        for way in given.ways:
            recipe, folder = _recipe(way, seed, dataset, given), given.out / f"{way}-{seed}"
            if (folder / "run.json").exists():
                run = resume_run(Run.open(folder), dataset, console)
            else:
                run = train_recipe(recipe, dataset, folder, console)
            evaluate_run(run, dataset, given.split)
            kept = SavedRanks.read(run.folder, given.split)
            values, few = per_user(kept.ranks)[METRIC], kept.counts < LONG_TAIL_BELOW
            slices = {"all": np.ones_like(few), "few": few, "new": kept.counts == 0, "many": ~few}
            cells = (f"{name} {100 * values[inside].mean():.2f}" for name, inside in slices.items())
            print(f"{way:8} {seed}  {'  '.join(cells)}", flush=True)
            found.setdefault(way, []).append(values)
    print({name: int(inside.sum()) for name, inside in slices.items()})
    for rival in given.ways[:-1]:
        print(f"{given.ways[-1]} less {rival}: {_gaps(found[given.ways[-1]], found[rival], slices)}")


def _recipe(way: str, seed: int, dataset: Dataset, given: argparse.Namespace) -> Recipe:
    words: dict[str, Any] = {
        "seed": seed,
        "length": given.length,
        "optimiser.learning_rate": given.rate,
        "training.epochs": given.epochs,
        "training.patience": given.patience,
    }
    if way == "ids":
        return read_recipe(OVER_IDS, words)
    place, base = ("items.parts.pixels", JOINED) if given.joined else ("items", OVER_PICTURES)
    words |= {
        f"{place}.source": str(given.source.resolve()),
        f"{place}.size": PictureStore.open(dataset.covers).size,
        f"{place}.depths": DEPTHS[way],
    }
    if way == "last" and not given.joined:
        words["scoring.unit_items"] = False
    return read_recipe(base, words)


def _gaps(ours: list[np.ndarray], theirs: list[np.ndarray], slices: Mapping[str, np.ndarray]) -> str:
    cells = []
    for name, inside in slices.items():
        gap = paired(np.stack(ours)[:, inside], np.stack(theirs)[:, inside])
        cells.append(f"{name} {100 * gap.difference:+.2f} [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]")
    return "  ".join(cells)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("source", type=Path, help="checkpoint of MobileNetV2")
    parser.add_argument("--out", type=Path, default=Path("bench/depths"))
    parser.add_argument("--ways", nargs="+", default=["ids", *DEPTHS], choices=["ids", *DEPTHS])
    parser.add_argument("--split", default="validation", choices=["validation", "test"])
    parser.add_argument("--joined", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--rate", type=float, default=0.001)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--patience", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    main()
