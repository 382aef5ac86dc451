"""End-to-end training of a small picture network beside one that is fitted to id rows, on the demo's world.

    python benchmarks/fitted.py                              # seed 0: about four minutes of one core
    python benchmarks/fitted.py --seeds 3 --out bench/fitted # trained runs are kept and not trained again

NDCG@10 in %, of all cases and of those whose item has fewer than five training events; validation chose the
epochs. Pictures: encoded with a backward pass, and without one (for validation, or to store vectors). CPU
seconds are of training with its validations. The difference is paired over users, seeds
averaged, with its 95 % interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.demonstrate import PIXELS, make_dataset
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks
from pixelrec.runs.train import resume_run, train_recipe
from pixelrec.training.journal import JOURNAL, cost_of, read_journal

FITTED = {"length": 20, "items.cache": "never"}
METRIC = "NDCG@10"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("bench/fitted"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    console = Console(stderr=True)
    data = arguments.out / "world" / "data"
    dataset = Dataset.open(data) if data.exists() else make_dataset(data.parent, 0, console)[1]
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    print("recipe          seed   validation all / few   test all / few   encodes f+b    f only   CPU s")
    for seed in range(arguments.seeds):
        for name, words in (("sasrec-scratch", PIXELS.overrides(seed)), ("sasrec-fitted", FITTED)):
            run = trained(name, {**words, "seed": seed}, dataset, arguments.out / f"{name}-{seed}", console)
            gains = [gain(run, dataset, split) for split in ("validation", "test")]
            found.setdefault(name, []).append(gains[1])
            (all_v, few_v), (all_t, few_t) = ([100 * part.mean() for part in each] for each in gains)
            cost = cost_of(read_journal(run.folder / JOURNAL, METRIC))
            print(
                f"{name:<16}{seed:>4}{all_v:>14.1f} / {few_v:4.1f}{all_t:>13.1f} / {few_t:4.1f}"
                f"{cost['trained_encodes']:>14,.0f}{cost['encodes']:>10,.0f}{cost['cpu_seconds']:>8.0f}",
                flush=True,
            )
    for number, part in enumerate(("all", "few")):
        ours, theirs = (np.stack([seed[number] for seed in found[name]]) for name in reversed(found))
        told = paired(ours, theirs)
        bounds = f"[{100 * told.low:+.2f}, {100 * told.high:+.2f}]"
        print(f"fitted less end-to-end, test, {part}: {100 * told.difference:+.2f} {bounds}")


def trained(name: str, words: Mapping[str, Any], dataset: Dataset, out: Path, console: Console) -> Run:
    """A run, trained or resumed unless it is finished."""
    if (out / "run.json").exists():
        return resume_run(Run.open(out), dataset, console)
    return train_recipe(read_recipe(name, words), dataset, out, console)


def gain(run: Run, dataset: Dataset, split: Any) -> tuple[np.ndarray, np.ndarray]:
    """NDCG@10 of each user, and of those with a rare item."""
    evaluate_run(run, dataset, split)
    kept = SavedRanks.read(run.folder, split)
    values = per_user(kept.ranks)[METRIC]
    return values, values[kept.counts < LONG_TAIL_BELOW]


if __name__ == "__main__":
    main()
