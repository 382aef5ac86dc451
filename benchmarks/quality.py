"""Test metrics of recipes on prepared data sets, over seeds: mean and 95 % interval over users.

    python benchmarks/quality.py DATA [DATA …] --out RUNS [--seeds 3] [--only sasrec]

Choices are made on validation only; a finished run is kept, so the script goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pixelrec import api
from pixelrec.evaluation.metrics import metrics, per_user
from pixelrec.evaluation.significance import mean

BPR: dict[str, Any] = {"negatives.name": "per_target", "loss.name": "bpr"}
GRID: dict[str, tuple[str, dict[str, Any]]] = {
    "MF, BPR": ("mf-id", BPR),
    "MF, softmax over the catalogue": ("mf-id", {"negatives.name": "catalogue"}),
    "SASRec, BPR": ("sasrec-id", BPR),
    "SASRec, softmax over 2,048 shared": ("sasrec-id", {}),
    "SASRec, softmax over the catalogue": ("sasrec-id-full", {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patience", type=int, default=20)
    parser.add_argument("--only", default="", help="models whose title begins so")
    arguments = parser.parse_args()
    for data in arguments.data:
        for title in (title for title in GRID if title.startswith(arguments.only)):
            runs = [_run(data, title, seed, arguments) for seed in range(arguments.seeds)]
            _print(data.name, title, runs)


def _run(data: Path, title: str, seed: int, arguments: argparse.Namespace) -> Path:
    recipe, choices = GRID[title]
    words = "".join(c if c.isalnum() else "-" for c in title.lower())
    out = arguments.out / f"{data.name}-{words}-{seed}"
    overrides = {**choices, "seed": seed, "training.patience": arguments.patience}
    if not (out / "metrics-test.json").exists():
        started = time.perf_counter()
        run = api.resume(out) if out.exists() else api.train(recipe, data=data, out=out, overrides=overrides)
        seconds = time.perf_counter() - started
        api.evaluate(run, split="test")
        (out / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
    return out


def _print(data: str, title: str, runs: list[Path]) -> None:
    ranks = [pl.read_parquet(run / "ranks-test.parquet")["rank"].to_numpy() for run in runs]
    found = [metrics(some) for some in ranks]
    recall, ndcg = ([m[name] for m in found] for name in ("Recall@10", "NDCG@10"))
    interval = mean(np.stack([per_user(some)["NDCG@10"] for some in ranks]))
    seconds = [json.loads((run / "seconds.json").read_text(encoding="utf-8")) for run in runs]
    print(
        f"{data:<26}{title:<38} R@10 {100 * np.mean(recall):5.2f}  N@10 {100 * np.mean(ndcg):5.2f} "
        f"[{100 * interval.low:.2f}, {100 * interval.high:.2f}]  seeds {100 * np.std(ndcg):.2f}  "
        f"{np.mean(seconds):.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
