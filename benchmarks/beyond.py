"""Ids, end-to-end training, fitting to rows and every depth of a network, in the demo's shop.

    OMP_NUM_THREADS=1 python benchmarks/beyond.py --out bench/beyond    # the trials, then three seeds
    OMP_NUM_THREADS=1 python benchmarks/beyond.py --out bench/beyond --users gru4rec hstu
    OMP_NUM_THREADS=1 python benchmarks/beyond.py --out bench/beyond --dial     # popularity added to scores
    OMP_NUM_THREADS=1 python benchmarks/beyond.py --out bench/thin --customers 300 --source CHECKPOINT

For each user model, every way has the same number of trials, with seed 0; the best NDCG@10 on validation is
then trained with every seed, and test events are read once, at the end. Differences are from end-to-end
training, paired over users, seeds averaged, with 95 % intervals. `few`: cases whose item has fewer than five
training events. CPU seconds are those of training with its validations. Trained runs are kept.

`--dial` reads no test events: to the scores of the chosen runs with seed 0 it adds a multiple of log(1 + n),
n the training events of an item, which trades few-event items for others, and prints both on validation.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.data.views import seen_items
from pixelrec.demonstration.demonstrate import PICTURE_SIZE
from pixelrec.demonstration.world import generate_world
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.ranks import count_dense_ranks
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.images.pack import pack
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.evaluate import cases_of, evaluate_run
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks
from pixelrec.runs.train import resume_run, train_recipe
from pixelrec.training.journal import JOURNAL, cost_of, read_journal

METRIC = "NDCG@10"
RIVAL = "end-to-end"
DIAL = (-0.5, -0.25, -0.125, 0.0, 0.125, 0.25, 0.5)
SETTINGS = {"length": 20, "training.patience": 5}
ADJUSTED = {"negatives.logit_adjustment": 0.5}
UNREAD = {"items.cache": "never"}  # no layer is frozen, so there is nothing to cache
DROPOUTS = {"gru4rec": 0.2, "lightsans": 0.1, "hstu": 0.2}  # another than that of the shipped recipe
USERS: Mapping[str, Mapping[str, Any]] = {
    "sasrec": {},
    **{name: {"users": read_recipe(f"{name}-id")["users"]} for name in DROPOUTS},
}


@dataclass(frozen=True)
class Way:
    recipe: str
    options: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]


WAYS = {
    "ids": Way(
        "sasrec-id",
        {"training.epochs": 40},
        (
            {"optimiser.learning_rate": 0.002},
            {},
            {"optimiser.learning_rate": 0.004},
            {"optimiser.learning_rate": 0.002, "users.dropout": 0.4},
            {"optimiser.learning_rate": 0.002, "negatives.logit_adjustment": 0.5},
            {"optimiser.learning_rate": 0.002, "scoring.name": "cosine", "scoring.temperature": 0.15},
            {"users.dropout": 0.4},
            {"negatives.logit_adjustment": 0.25},
        ),
    ),
    RIVAL: Way(
        "sasrec-scratch",
        {"training.epochs": 14, "optimiser.learning_rate": 0.002, **UNREAD},
        (
            {},
            {"optimiser.learning_rate": 0.004},
            {"optimiser.learning_rate": 0.001, "training.epochs": 20},
            {"negatives.logit_adjustment": 1.0},
            {"scoring.unit_items": True},
            {"items.depths": "blocks", "items.spread": True},
            {"optimiser.learning_rate": 0.001, "training.epochs": 20, "negatives.logit_adjustment": 1.0},
            {"optimiser.learning_rate": 0.001, "training.epochs": 20, "scoring.unit_items": True},
        ),
    ),
    "end-to-end, adjusted": Way(  # the trial of end-to-end training with the best few-event items
        "sasrec-scratch",
        {"training.epochs": 20, **UNREAD},
        ({"optimiser.learning_rate": 0.001, "negatives.logit_adjustment": 1.0},),
    ),
    "fitted": Way(
        "sasrec-fitted",
        {"training.epochs": 4, **UNREAD},
        (
            {},
            {"fit.learning_rate": 0.002},
            {"fit.passes": 30},
            {"fit.rows": 15},
            {"training.epochs": 8},
            {"negatives.logit_adjustment": 1.0},
            {"fit.rows": 15, "fit.passes": 30},
            {"fit.rows": 15, "training.epochs": 8},
        ),
    ),
}


def trials(users: str, name: str) -> tuple[Mapping[str, Any], ...]:
    """Those of a way, under a user model."""
    if users == "sasrec" or name not in (RIVAL, "fitted"):
        return WAYS[name].trials if name in WAYS else ({},)
    base: dict[str, Any] = {"optimiser.learning_rate": 0.001, "training.epochs": 20}
    last: list[dict[str, Any]] = [{"optimiser.learning_rate": 0.002}, {"scoring.unit_items": True}]
    if name == "fitted":
        base, last = {"fit.rows": 15, "training.epochs": 8}, [{"fit.rows": 25}, {"fit.passes": 30}]
    more = [{"users.dropout": DROPOUTS[users]}, {"negatives.logit_adjustment": 1.0}, *last]
    return base, *({**base, **each} for each in more)


def ways(source: str | None) -> dict[str, Way]:
    """Those from random weights, and with a checkpoint of MobileNetV2 those of a pretrained network."""
    if source is None:
        return WAYS
    network = {"items.source": str(Path(source).resolve()), "items.size": PICTURE_SIZE}
    last = {**network, "items.depths": None, "scoring.unit_items": False}
    deep = {**network, "training.epochs": 40}
    top = {**last, **ADJUSTED, "items.trainable": 3, "training.epochs": 10, "negatives.bank": True}
    return {
        **WAYS,
        "frozen": Way("sasrec-mobilenet", last, ({},)),
        "top 3": Way("sasrec-mobilenet", top, ({},)),
        "fitted top 3": Way("sasrec-mobilenet-fitted", network, ({},)),
        "every depth": Way("sasrec-mobilenet", deep, ({},)),
        "every depth, adjusted": Way("sasrec-mobilenet", {**deep, **ADJUSTED}, ({},)),
        "blocks, adjusted": Way("sasrec-mobilenet", {**deep, **ADJUSTED, "items.depths": "blocks"}, ({},)),
    }


@dataclass(frozen=True)
class Found:
    values: np.ndarray  # float64[Q]: of each user
    few: np.ndarray  # bool[Q]
    cost: Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("bench/beyond"))
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--source", help="checkpoint of MobileNetV2")
    parser.add_argument("--ways", nargs="*")
    parser.add_argument("--users", nargs="*", default=["sasrec"], choices=list(USERS))
    parser.add_argument("--trials", type=int, default=8, help="of each way; 0 takes the first of each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dial", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    dataset = _dataset(given.out / "world", given.customers)
    chosen = {name: way for name, way in ways(given.source).items() if not given.ways or name in given.ways}
    for users in given.users:
        best = {name: _best(users, name, way, dataset, given) for name, way in chosen.items()}
        if given.dial:
            for name, options in best.items():
                run = _trained(users, name, chosen[name], {**options, "seed": 0}, dataset, given.out)
                print(f"{users} {name:22} {_dialled(run, dataset)}", flush=True)
            continue
        rows = {
            name: [
                _trained(users, name, chosen[name], {**options, "seed": seed}, dataset, given.out)
                for seed in range(given.seeds)
            ]
            for name, options in best.items()
        }
        found = {name: [_found(run, dataset, "test") for run in runs] for name, runs in rows.items()}
        print(f"\n{users}, {given.seeds} seeds, test\n{_table(found)}", flush=True)


def _dataset(folder: Path, customers: int) -> Dataset:
    if (folder / "data" / "manifest.json").exists():
        return Dataset.open(folder / "data")
    world = generate_world(folder / "files", users=customers)
    dataset = prepare(world.interactions, out=folder / "data", items=world.items)
    pack(world.covers, dataset.covers, list(dataset.item_ids), size=PICTURE_SIZE)
    return dataset


def _best(users: str, name: str, way: Way, dataset: Dataset, given: argparse.Namespace) -> Mapping[str, Any]:
    """The options with the best metric on validation."""
    found, tried = [], trials(users, name)
    for number, options in enumerate(tried[: given.trials]):
        run = _trained(users, name, way, {**options, "seed": 0}, dataset, given.out)
        each = _found(run, dataset, "validation")
        few = 100 * each.values[each.few].mean() if each.few.any() else np.nan
        value = float(each.values.mean())
        told = f"{100 * value:5.2f} / {few:5.2f}  {each.cost['cpu_seconds']:5.0f} CPU s"
        print(f"{users} {name:14} validation {told}  {dict(options)}", flush=True)
        found.append((value, -number))
    return tried[-max(found)[1]] if found else tried[0]


def _trained(users: str, name: str, way: Way, options: Mapping[str, Any], dataset: Dataset, out: Path) -> Run:
    """A run, trained or resumed unless it is finished."""
    recipe = read_recipe(way.recipe, {**SETTINGS, **way.options, **USERS[users], **options})
    told = "-".join(f"{key.rpartition('.')[2]}={value}" for key, value in options.items())
    folder = out / f"{users}-{name.replace(', ', '-').replace(' ', '-')}-{told}"
    console = Console(quiet=True)
    if (folder / "run.json").exists():
        return resume_run(Run.open(folder), dataset, console)
    return train_recipe(recipe, dataset, folder, console)


def _found(run: Run, dataset: Dataset, split: Any) -> Found:
    evaluate_run(run, dataset, split)
    kept = SavedRanks.read(run.folder, split)
    cost = cost_of(read_journal(run.folder / JOURNAL, METRIC))
    return Found(per_user(kept.ranks)[METRIC], kept.counts < LONG_TAIL_BELOW, cost)


def _dialled(run: Run, dataset: Dataset) -> str:
    """NDCG@10 on validation, all / few, for multiples of the log of popularity that are added to scores."""
    cases, ranker = cases_of(dataset, "validation"), run.trained_ranker(dataset)
    counts = item_counts(training_events(dataset), dataset.items)
    few, cells = counts[cases.targets] < LONG_TAIL_BELOW, []
    for share in DIAL:
        added, ranks = share * np.log1p(counts), []
        for some in np.array_split(np.arange(len(cases)), -(-len(cases) // 1024)):
            users, targets = cases.users[some], torch.from_numpy(cases.targets[some])
            scores = torch.from_numpy(ranker.scores(cases.histories, users, users) + added)
            ranks.append(count_dense_ranks(scores, targets, *seen_items(cases.histories, users)).numpy())
        values = 100 * per_user(np.concatenate(ranks))[METRIC]
        cells.append(f"{share:+.2f}: {values.mean():5.2f} / {values[few].mean():5.2f}")
    return "   ".join(cells)


def _table(found: Mapping[str, list[Found]]) -> str:
    lines = [
        "| way | all | few | less end-to-end, all | few | encodes f+b | f only | CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, seeds in found.items():
        few = seeds[0].few
        ours = np.stack([each.values for each in seeds])
        cells = [name, f"{100 * ours.mean():.2f}", f"{100 * ours[:, few].mean():.2f}"]
        theirs = np.stack([each.values for each in found[RIVAL]]) if RIVAL in found else ours
        for inside in (np.ones_like(few), few):
            gap = paired(ours[:, inside], theirs[:, inside])
            cells.append(f"{100 * gap.difference:+.2f} [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]")
        for key in ("trained_encodes", "encodes", "cpu_seconds"):
            cells.append(f"{np.mean([each.cost[key] for each in seeds]):,.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
