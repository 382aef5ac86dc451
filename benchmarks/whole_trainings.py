"""Whole trainings over CLIP's ViT-B/32 (random weights): every depth and fitted, against the published way.

    OMP_NUM_THREADS=1 python benchmarks/whole_trainings.py                # about 15 minutes of one core

A catalogue with the shape of Pixel200K, `--part` times smaller: histories as long, items as popular, random
pictures of 224 pixels. SASRec with D 512 and windows of 10 + 1. All are in fp32, on one thread, in processor
seconds:

- every depth (`sasrec-vit`) and fitted (`sasrec-mobilenet-fitted` over the top two blocks of ViT-B/32)
  are trained by the library from beginning to end: caches, all stages, validations and checkpoints included;
- the published way (`published_pixels.py`), which trains the same two blocks, takes some of its steps over
  the same histories. Their mean per window, times windows and epochs, is its training, without validations.

Passes of pictures and windows grow with items and users, but a step over the whole catalogue meets more
distinct items. So steps of the user model are also timed over all 96,282 items; the last line has the ratios
with those in place of the smaller ones. Quality is not measured, and random weights learn nothing, so the
probe of a fit is off. Epochs are choices: the published rule (patience 30) cannot end before the 31st.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from pixel200k import ITEMS, USERS, items, lengths
from pixels import GeneratedFeed, spec
from published_pixels import LENGTH, PublishedSASRec, slots_of
from rich.console import Console

from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.evaluation.comparison import METRIC
from pixelrec.images.pack import pack
from pixelrec.images.store import PictureStore
from pixelrec.items.stored_vectors import StoredVectors
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender, rows_recipe
from pixelrec.recipe.recipe import Recipe, read_recipe
from pixelrec.runs import fitted
from pixelrec.runs.train import train_recipe
from pixelrec.training.fitting import COSINE
from pixelrec.training.journal import JOURNAL, cost_of, read_journal
from pixelrec.training.optimiser import Optimiser, OptimiserConfig

WIDTH = 512
RANDOM = {"items.source": None, "items.family": "clip", "items.pretrained": False, "items.width": WIDTH}
SHAPE = {"length": LENGTH, "users.heads": 4, "windowing.overlap": 0, "training.patience": 0}


def main() -> None:
    given = _arguments()
    torch.set_num_threads(1)
    fitted.LEARNT = -2.0  # no cosine is below
    deep = read_recipe("sasrec-vit", {**RANDOM, **SHAPE, "training.epochs": given.epochs})
    fit = read_recipe(
        "sasrec-mobilenet-fitted", {**RANDOM, **SHAPE, "items.trainable": 2, "fit.passes": given.passes}
    )
    with tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(Path(folder), given.part)
        window, windows = published(dataset, given)
        whole = given.published_epochs * windows * window
        print(f"published: {window:.3f} core-s a window; {given.published_epochs} epochs {whole:,.0f} core-s")
        for name, recipe in (("every depth", deep), ("fitted", fit)):
            core, parts = trained(recipe, dataset, Path(folder) / name)
            print(f"{name}: {core:,.1f} core-s ({parts}): 1/{whole / core:,.0f}", flush=True)
            more = windows * more_of_a_window(recipe, dataset, Path(folder), given.steps)
            ratio = whole / (core + more)
            print(f"{name}, with steps over {ITEMS:,} items: {core + more:,.1f} core-s: 1/{ratio:,.0f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", type=int, default=200)
    parser.add_argument("--published-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20, help="of every depth")
    parser.add_argument("--passes", type=int, default=20, help="of the fit")
    parser.add_argument("--batch", type=int, default=16, help="windows of a published step")
    parser.add_argument("--steps", type=int, default=4, help="that are timed")
    return parser.parse_args()


def _dataset(folder: Path, part: int) -> Dataset:
    rng, covers = np.random.default_rng(0), folder / "covers"
    counts = lengths(USERS // part, rng)
    taken = items(int(counts.sum()), rng, ITEMS // part)
    users = np.repeat(np.arange(len(counts)), counts)
    table = pl.DataFrame({"user_id": users, "item_id": taken, "timestamp": np.arange(len(taken))})
    table.write_csv(folder / "events.csv")
    dataset = prepare(folder / "events.csv", out=folder / "data")
    covers.mkdir()
    for name in dataset.item_ids:
        Image.fromarray(rng.integers(0, 256, (224, 224, 3), np.uint8)).save(covers / f"{name}.jpg")
    pack(covers, dataset.covers, list(dataset.item_ids), size=224)
    events = int(item_counts(training_events(dataset), dataset.items).sum())
    print(f"{dataset.users:,} users, {dataset.items:,} items, {events:,} training events", flush=True)
    return dataset


def published(dataset: Dataset, given: argparse.Namespace) -> tuple[float, int]:
    """Core-seconds of a window, and the windows of an epoch."""
    store = PictureStore.open(dataset.covers)
    pictures = store.read(list(dataset.item_ids))
    recipe = read_recipe("published/sasrec-id", {"training.batch_size": given.batch})
    history = training_events(dataset)
    ids = build_recommender(recipe, dataset.spec(LENGTH, history))
    batcher = build_batcher(recipe, ids, history)
    batches, model = batcher.epoch(0), PublishedSASRec(pictures).train()
    learnt = [each for each in model.parameters() if each.requires_grad]
    optimiser, cores = torch.optim.AdamW(learnt, lr=1e-4), []
    for _ in range(given.steps + 1):
        slots, real = slots_of(next(batches))
        start = time.process_time()
        loss = model(model.load(slots), real)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        cores.append((time.process_time() - start) / len(real))
    return float(np.mean(cores[1:])), batcher.rows


def trained(recipe: Recipe, dataset: Dataset, out: Path) -> tuple[float, str]:
    """Core-seconds of a whole training, and of its parts as journals have them."""
    start = time.process_time()
    train_recipe(recipe, dataset, out, Console(quiet=True))
    core = time.process_time() - start
    epochs = [row for row in read_journal(out / JOURNAL, METRIC) if row["epoch"]]
    found = {"epochs": epochs}
    if recipe.fit.passes:
        monitors = {"rows": METRIC, "fit": COSINE}
        found |= {name: read_journal(out / name / JOURNAL, monitor) for name, monitor in monitors.items()}
    return core, ", ".join(f"{name} {cost_of(rows)['cpu_seconds']:,.1f}" for name, rows in found.items())


def more_of_a_window(recipe: Recipe, dataset: Dataset, folder: Path, steps: int) -> float:
    """Core-seconds of all epochs of a window over the whole catalogue, less those over the data set."""
    known = dataset.spec(LENGTH, training_events(dataset))
    more = 0.0
    for epochs, stage in _stages(recipe):
        over = {"all": _step(stage, spec(), folder, steps), "part": _step(stage, known, folder, steps)}
        print(f"  {stage.name}: {1e3 * over['all']:.2f} and {1e3 * over['part']:.2f} core-ms a window")
        more += epochs * (over["all"] - over["part"])
    return more


def _stages(recipe: Recipe) -> list[tuple[int, Recipe]]:
    """Epochs of each stage with a user model."""
    if not recipe.fit.passes:
        return [(recipe.training.epochs, recipe)]
    rows = rows_recipe(recipe, WIDTH, recipe.fit.epoch_steps, 0)  # epochs of many steps
    return [(recipe.fit.rows, rows), (recipe.training.epochs, recipe)]


def _step(recipe: Recipe, known: DatasetSpec, folder: Path, steps: int) -> float:
    """Core-seconds of a window: the mean over some steps after a first one."""
    assert known.history is not None
    recommender = build_recommender(recipe, replace(known, folder=None, covers=None)).train()
    if recipe.fit.passes:
        recommender = recommender.over(StoredVectors(torch.randn(known.items + 1, WIDTH))).train()
    elif recipe["items"]["name"] == "pixels":
        encoder: Any = recommender.items
        shape = encoder.backbone.state_shape(encoder.constant)
        encoder._feed = GeneratedFeed(folder / "rows", 256, shape, torch.float32)
        encoder.project.unfitted.fit(torch.randn(256, *shape))
    config = OptimiserConfig(**recipe["optimiser"])
    optimiser = Optimiser(recommender, config, config.is_lazy("cpu", 1))
    loss, batches = build_loss(recipe), build_batcher(recipe, recommender, known.history)
    all_batches = chain.from_iterable(map(batches.epoch, count()))
    cores = []
    for number in range(steps + 1):
        start = time.process_time()
        batch = next(all_batches)
        loss(recommender(batch)).backward()  # type: ignore[no-untyped-call]
        optimiser.step(1.0)
        cores.append((time.process_time() - start) / len(batch.target) if number else 0.0)
    return sum(cores) / steps


if __name__ == "__main__":
    main()
