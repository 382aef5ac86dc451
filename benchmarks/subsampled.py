"""Quality against events per item on real data: a data set with fewer of its users, drawn at random.

    OMP_NUM_THREADS=1 python benchmarks/subsampled.py INTERACTIONS COVERS CHECKPOINT --out bench/subsampled
        [--shares 0.25 0.5 1] [--ways ids last deep fitted] [--seeds 1]

`last` and `deep`: MobileNetV2's last layer and every depth, frozen. `fitted`: every depth read by a linear
layer that is fitted to the rows of an id table. NDCG@10 in % on validation, over all items and over those
with fewer than five training events. Recipes as shipped; what is trained is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console

from pixelrec import api
from pixelrec.choices import OVER_IDS, OVER_PICTURES
from pixelrec.data.dataset import Dataset
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks
from pixelrec.runs.train import resume_run, train_recipe

SHORT = {"training.epochs": 40, "training.patience": 8}
FIT = {"fit.rows": 10, "fit.passes": 20, "fit.learning_rate": 0.002, "fit.warmup": 30}
WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ids": (OVER_IDS, {}),
    "last": (OVER_PICTURES, {"items.depths": None}),
    "deep": (OVER_PICTURES, {}),
    "fitted": (OVER_PICTURES, {**FIT, "training.patience": 5}),
}


def main() -> None:
    given = _arguments()
    torch.set_num_threads(1)
    for share in given.shares:
        data = _data(given, share)
        each = data.interactions / data.items
        print(f"{share:g}: {data.users:,} users, {data.items:,} items, {each:.1f} events an item")
        found: dict[str, list[np.ndarray]] = {}
        for way in given.ways:
            for seed in range(given.seeds):
                kept = _ranks(given, data, share, way, seed)
                few = kept.counts < LONG_TAIL_BELOW
                found.setdefault(way, []).append(per_user(kept.ranks)["NDCG@10"])
            values = np.stack(found[way])
            print(f"  {way:8} {100 * values.mean():.2f} / {100 * values[:, few].mean():.2f}", flush=True)
        for way in given.ways[1:]:
            for name, inside in (("all", np.ones_like(few)), ("few", few)):
                pair = paired(np.stack(found[way])[:, inside], np.stack(found[given.ways[0]])[:, inside])
                bounds = f"[{100 * pair.low:+.2f}, {100 * pair.high:+.2f}]"
                print(
                    f"  {way} less {given.ways[0]}, {name}: {100 * pair.difference:+.2f} {bounds}", flush=True
                )


def _data(given: argparse.Namespace, share: float) -> Dataset:
    place = given.out / f"{share:g}" / "data"
    if not place.exists():
        events = pl.read_csv(
            given.interactions, schema_overrides={"item_id": pl.String, "user_id": pl.String}
        )
        users = events["user_id"].unique().sort()
        chosen = users.sample(round(share * len(users)), seed=0)
        place.parent.mkdir(parents=True, exist_ok=True)
        thinned = place.parent / "interactions.csv"
        events.filter(pl.col("user_id").is_in(chosen.implode())).write_csv(thinned)
        api.prepare(thinned, covers=given.covers, out=place)
    return Dataset.open(place)


def _ranks(given: argparse.Namespace, data: Dataset, share: float, way: str, seed: int) -> SavedRanks:
    name, options = WAYS[way]
    source = {} if way == "ids" else {"items.source": str(given.checkpoint)}
    recipe = read_recipe(name, {**SHORT, **options, **source, "seed": seed})
    folder, console = given.out / f"{share:g}" / f"{way}-{seed}", Console(quiet=True)
    if (folder / "run.json").exists():
        run = resume_run(Run.open(folder), data, console)
    else:
        run = train_recipe(recipe, data, folder, console)
    evaluate_run(run, data, "validation")
    return SavedRanks.read(run.folder, "validation")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("interactions", type=Path)
    parser.add_argument("covers", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
