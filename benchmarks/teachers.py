"""What an item encoder may be fitted to where events are few: rows of tables, and closed forms without them.

    OMP_NUM_THREADS=1 python benchmarks/teachers.py --out bench/teachers --customers 300 --seeds 101 102

Worlds and measure are those of `thin.py`. Every teacher is rotated to the rows of a table of ids, so that the
user model of that table goes on with it. The last way has no teacher: the network itself learns from pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from thin import UNREAD, _measured, _trained, _world
from torch import Tensor
from torch.nn import functional as F

from pixelrec.baselines.item_knn import item_similarities
from pixelrec.batch import Histories, Items
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events, validation_cases
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs import fitted
from pixelrec.runs.run import Run
from pixelrec.runs.train import build_parts
from pixelrec.training.fitting import average_rows
from pixelrec.training.loop import lr_factor
from pixelrec.training.processes import Processes

WIDTH, SHRINKAGE = 64, 10.0
SETTLED = {"training.epochs": 30, "training.patience": 5, **UNREAD}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("bench/teachers"))
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102])
    parser.add_argument("--teachers", nargs="*")
    parser.add_argument("--pairs", type=int, default=0, help="steps of the contrast of pairs; 0: not at all")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seed in given.seeds:
        folder = given.out / f"shop-{given.customers}-{seed}"
        world = _world(folder, given.customers, seed, marks=False)
        rows = _trained(folder / "rows", "sasrec-fitted", {"fit.passes": 1, **SETTLED}, seed, world)
        table = Run.open(rows.folder / "rows")
        histories = training_events(world[0])
        teachers = _teachers(table, histories, world[0].items)
        for name in given.teachers or teachers:
            chosen = _turned(teachers[name](), table, histories, world[0].items)
            start = {"training.warm_start": str(table.folder), **SETTLED}
            before, fitted.rows_of = fitted.rows_of, lambda *_, chosen=chosen: chosen
            run = _trained(folder / name.replace(" ", "-"), "sasrec-fitted", start, seed, world)
            fitted.rows_of = before
            print(f"{folder.name} {name:24} {_measured(run, *world)}", flush=True)
        if given.pairs:
            _contrast(world[0], seed, given.pairs)


def _teachers(table: Run, histories: Histories, items: int) -> dict[str, Callable[[], Tensor]]:
    """Vectors (N + 1, D) of each; those of items without events are not read."""
    rows = table.encoded(table.recommender(table.dataset())).detach().cpu()

    def similar(reach: float) -> np.ndarray:
        found = item_similarities(histories, items, reach, SHRINKAGE, items).toarray()
        return (found + found.T) / 2

    def smoothed() -> Tensor:
        counts = item_counts(histories, items)
        weights = torch.from_numpy(counts / (counts + SHRINKAGE)).float()[:, None]
        near = torch.from_numpy(similar(2)).float() @ (F.normalize(rows, dim=1) * weights)
        return weights * F.normalize(rows, dim=1) + (1 - weights) * F.normalize(near, dim=1)

    return {
        "one table": lambda: rows,
        "similarities, reach 2": lambda: _factors(similar(2)),
        "similarities, reach 20": lambda: _factors(similar(20)),
        "information, reach 2": lambda: _factors(_information(histories, items, 2)),
        "rows, smoothed": smoothed,
    }


def _factors(matrix: np.ndarray) -> Tensor:
    """Vectors whose products are closest to a symmetric matrix (N + 1, N + 1)."""
    values, vectors = np.linalg.eigh(matrix)
    return torch.from_numpy(vectors[:, -WIDTH:] * np.sqrt(np.maximum(values[-WIDTH:], 0))).float()


def _together(histories: Histories, items: int, reach: float) -> np.ndarray:
    """How often two items are near each other: `item_similarities` without its norm."""
    counts = np.sqrt(np.maximum(item_counts(histories, items), 1))
    found = item_similarities(histories, items, reach, 0.0, items).toarray() * np.outer(counts, counts)
    return (found + found.T) / 2


def _information(histories: Histories, items: int, reach: float) -> np.ndarray:
    """Positive pointwise mutual information: what contrasted pairs converge to (Levy and Goldberg 2014)."""
    together = _together(histories, items, reach)
    margins = together.sum(1) + 1
    return np.maximum(np.log(np.maximum(together * together.sum() / np.outer(margins, margins), 1e-12)), 0)


def _turned(vectors: Tensor, table: Run, histories: Histories, items: int) -> Tensor:
    """Rotated to the rows of the table; zeros where an item has no events."""
    rows = F.normalize(table.encoded(table.recommender(table.dataset())).detach().cpu(), dim=1)
    counts = item_counts(histories, items)
    weights = torch.from_numpy(counts / (counts + SHRINKAGE)).float()
    known = torch.from_numpy(counts > 0)[:, None]
    return (2 * average_rows([rows, vectors], weights) - rows) * known


def _contrast(dataset: Any, seed: int, steps: int, sample: int = 160, temperature: float = 0.15) -> None:
    """InfoNCE over items near each other in training histories, corrected by their frequency (log-Q).

    Each step encodes items drawn ∝ n^0.75. All their pairs count by how often they occur, so that none is a
    false negative. Prints the recall of the pairs of the last training and the validation event.
    """
    histories, rng = training_events(dataset), np.random.default_rng(seed)
    counts, cases = item_counts(histories, dataset.items), validation_cases(dataset)
    together = _together(histories, dataset.items, 2)
    recipe = read_recipe("sasrec-fitted", {"length": 20, "seed": seed, **UNREAD})
    recommender = build_parts(recipe, dataset, Processes.launched("cpu")).saved
    recommender.items.prepare(Console(quiet=True).print)
    optimiser = torch.optim.AdamW(recommender.items.parameters(), lr=3e-3, weight_decay=0.1)
    taken, last = np.flatnonzero(counts), histories.items[histories.stops[cases.users] - 1]
    chances = counts[taken] ** 0.75 / (counts[taken] ** 0.75).sum()
    for step in range(steps):
        recommender.items.train()
        some = np.sort(rng.choice(taken, min(sample, len(taken)), replace=False, p=chances))
        ids = np.append(0, some)
        encoded = recommender.items(Items(torch.from_numpy(ids), recommender.items.load(ids)))[1:]
        vectors = F.normalize(encoded, dim=1)
        pairs = torch.from_numpy(together[np.ix_(some, some)]).float()
        frequency = torch.from_numpy(np.log(counts[some] / counts.sum())).float()
        scores = (vectors @ vectors.T / temperature + frequency).fill_diagonal_(-1e9)
        loss = -(pairs * torch.log_softmax(scores, 1)).sum() / pairs.sum()
        optimiser.param_groups[0]["lr"] = 3e-3 * lr_factor(step, steps, 5, "cosine")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % max(1, steps // 10) == 0:
            table = F.normalize(recommender.encode_all(), dim=1)
            near = table[last] @ table.T
            targets = torch.from_numpy(cases.targets)
            recall = ((near > near.gather(1, targets[:, None])).sum(1) <= 20).double().mean()
            print(f"pairs, step {step + 1}: loss {float(loss):.3f}, recall@20 {100 * float(recall):.1f} %")


if __name__ == "__main__":
    main()
