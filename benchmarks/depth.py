"""What training a picture network deeper is worth: ids, frozen pictures, both, and going on from frozen ones.

    python benchmarks/depth.py data/shop path/to/mobilenet --out bench/depth     # all steps, three seeds
    python benchmarks/depth.py data/shop path/to/mobilenet --size 112 --steps frozen,none,head

Every step is a grid of `pixelrec bench` in a folder of its own: Ctrl-C loses nothing, and the same command
goes on. `ids`, `frozen`, `deep` (every depth) and `both` are shipped recipes. Others start from each seed's
frozen run and train on, at smaller rates: `none` of the network (what going on alone is worth), its `head`,
its top `3` blocks, or `all` of it.

Test metrics in %, seeds averaged per user; differences are paired over users, ± half their 95 % interval.
`few`: NDCG@10 of test events whose item has fewer than five training events. `validation` chose the epochs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import pixelrec
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import mean, paired
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.saved_ranks import SavedRanks
from pixelrec.training.journal import read_journal

SHIPPED = {
    "ids": "sasrec-id",
    "frozen": "sasrec-mobilenet",
    "deep": "sasrec-mobilenet-deep",
    "both": "sasrec-id-mobilenet",
}
DEEPER = ("none", "head", "3", "all")
GOING_ON = {
    "negatives.bank": True,
    "optimiser.learning_rate": 3e-4,
    "optimiser.backbone_learning_rate": 5e-5,
    "training.patience": 3,
}


@dataclass(frozen=True)
class Found:
    """Test metrics, seeds × users, and what the epochs were chosen by."""

    recall: np.ndarray
    ndcg: np.ndarray
    few: np.ndarray  # of the users, whose test event is of a rare item
    validation: float
    seconds: float  # an epoch


def main() -> None:
    arguments = _arguments()
    found: dict[str, Found] = {}
    for step in arguments.steps.split(","):
        folder = arguments.out / step
        overrides = _overrides(step, arguments)
        recipe = read_recipe(SHIPPED.get(step, "sasrec-mobilenet"), overrides)
        pixelrec.bench(
            arguments.data, [recipe], seeds=arguments.seeds, out=folder, console=Console(stderr=True)
        )
        found[step] = read(folder / recipe.name)
    print(table(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="with covers packed at `--size` pixels")
    parser.add_argument("network", type=Path, help="a checkpoint of MobileNetV2")
    parser.add_argument("--out", type=Path, default=Path("bench/depth"))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", default=",".join((*SHIPPED, *DEEPER)), help="in this order")
    parser.add_argument("--epochs", type=int, default=4, help="of what goes on, at most")
    parser.add_argument("--batch", type=int, default=128, help="windows of a step of what goes on")
    return parser.parse_args()


def _overrides(step: str, arguments: argparse.Namespace) -> Mapping[str, Any]:
    network = {"source": str(arguments.network.resolve()), "size": arguments.size}
    frozen = (arguments.out / "frozen" / SHIPPED["frozen"]).resolve()
    if step == "ids":
        return {"training.patience": 8}
    if step in SHIPPED:
        place = "items.parts.pixels" if step == "both" else "items"
        return {"training.patience": 8, **{f"{place}.{word}": value for word, value in network.items()}}
    return {
        **GOING_ON,
        **{f"items.{word}": value for word, value in network.items()},
        "items.trainable": step,
        "training.warm_start": f"{frozen}/seed-{{seed}}",
        "training.epochs": arguments.epochs,
        "training.batch_size": arguments.batch,
    }


def read(folder: Path) -> Found:
    """What the runs `seed-0`, `seed-1`, … of a folder found on the test events."""
    runs = sorted(run for run in folder.glob("seed-*") if run.is_dir())
    kept = [SavedRanks.read(run, "test") for run in runs]
    gains = [per_user(each.ranks) for each in kept]
    few = kept[0].counts < LONG_TAIL_BELOW
    epochs = [read_journal(run / "metrics.jsonl") for run in runs]
    ndcg = np.stack([each["NDCG@10"] for each in gains])
    return Found(
        np.stack([each["Recall@10"] for each in gains]),
        ndcg,
        ndcg[:, few],
        float(np.mean([max(row["NDCG@10"] for row in rows) for rows in epochs])),
        float(np.mean([row["seconds"] for rows in epochs for row in rows if row["epoch"]])),
    )


def table(found: Mapping[str, Found]) -> str:
    """Markdown: a row a step, in order; differences from `ids` and `frozen` where those were run."""
    head = ["step", "seeds", "Recall@10", "NDCG@10", "few", "validation", "s/epoch"]
    against = [name for name in ("ids", "frozen") if name in found]
    differences = [f"{what} less {name}" for name in against for what in ("NDCG@10", "few")]
    lines = [[*head, *differences]]
    lines.append(["---"] * len(lines[0]))
    for step, row in found.items():
        whole = mean(row.ndcg)
        few = f"{100 * row.few.mean():.2f}" if row.few.shape[1] else "none"
        lines.append(
            [
                step,
                str(len(row.ndcg)),
                f"{100 * row.recall.mean():.2f}",
                f"{100 * whole.mean:.2f} ± {100 * (whole.high - whole.mean):.2f}",
                few,
                f"{100 * row.validation:.2f}",
                f"{row.seconds:.1f}",
                *(cell for name in against for cell in _differences(row, found[name])),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _differences(row: Found, other: Found) -> list[str]:
    """Of all users and of those with rare items."""
    if row is other:
        return ["", ""]
    pairs = ((row.ndcg, other.ndcg), (row.few, other.few))
    return [_difference(*pair) if pair[0].shape[1] > 1 else "none" for pair in pairs]


def _difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    told = paired(ours, theirs)
    return f"{100 * told.difference:+.2f} ± {100 * (told.high - told.difference):.2f}"


if __name__ == "__main__":
    main()
