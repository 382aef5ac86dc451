"""Time per epoch and peak memory of every user model, on events shaped like Pixel200K.

    python benchmarks/models.py                       # all, about half an hour on 2 cores
    python benchmarks/models.py --only mf,sasrec      # some
    python benchmarks/models.py --which published     # as published: BPR, one negative a target

Each line is a process of its own. Steps are those of training: batch, model and loss forward and backward and
optimiser; an epoch is the median step times their number. `default` takes the model's own structure at D 512
with 512 shared negatives and 512 windows (or pairs) a step; `published` the shipped recipe as it is.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median
from typing import Any

import numpy as np
import torch
from pixel200k import ITEMS, USERS, items, lengths

from pixelrec.batch import DatasetSpec, Histories
from pixelrec.errors import RecipeError
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import Recipe, read_recipe
from pixelrec.training.optimiser import Optimiser, OptimiserConfig
from pixelrec.users import USER_MODELS

LIKE_FOR_LIKE = {
    "length": 10,
    "items.width": 512,
    "training.batch_size": 512,
    "training.loader_threads": 0,
}
PRODUCTS = (
    "mm",
    "addmm",
    "addmm_",
    "bmm",
    "baddbmm",
    "linear",
    "convolution",
    "mkldnn",
    "attention",
    "gru",
    "einsum",
)
HEAD = (
    f"{'model':<14}{'D':>5}{'batch':>7}{'rows/s':>9}{'epoch':>10}{'memory':>9}{'parameters':>12}"
    f"{'batch':>8}{'model':>8}{'optim.':>8}{'no product':>12}"
)


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(_measure(arguments.child, arguments.which, arguments.steps, arguments.threads)))
        return
    names = arguments.only.split(",") if arguments.only else list(USER_MODELS)
    for which in ("default", "published") if arguments.which == "both" else (arguments.which,):
        print(f"\n{which}: {USERS:,} users, {ITEMS:,} items, {arguments.threads} threads\n{HEAD}", flush=True)
        for name in names:
            print(_line(name, _child(name, which, arguments)), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="user models, with commas between")
    parser.add_argument("--which", choices=("default", "published", "both"), default="both")
    parser.add_argument("--steps", type=int, default=7, help="the median of these counts, after two more")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(name: str, which: str, arguments: argparse.Namespace) -> dict[str, Any]:
    words = [
        "--child",
        name,
        "--which",
        which,
        "--steps",
        str(arguments.steps),
        "--threads",
        str(arguments.threads),
    ]
    ended = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"failed": (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]}
    return json.loads(ended.stdout.splitlines()[-1])


def _line(name: str, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"{name:<14}{found['failed']}"
    shares = "".join(f"{100 * found[key]:7.1f}%" for key in ("batch", "model", "optimiser"))
    return (
        f"{name:<14}{found['width']:>5}{found['batch_size']:>7}{found['rows']:>9,.0f}"
        f"{found['epoch'] / 60:>8.1f} m{found['memory'] / 2**30:>7.2f} G{found['parameters'] / 1e6:>10.1f} M"
        f"{shares}{100 * found['no_product']:>11.1f}%"
    )


def _measure(name: str, which: str, steps: int, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    recipe = _recipe(name, which)
    spec = _facts(recipe["length"])
    assert spec.history is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recommender = build_recommender(recipe, spec).train()
    chosen = OptimiserConfig(**recipe["optimiser"])
    optimiser = Optimiser(recommender, chosen, chosen.is_lazy("cpu", 1))
    loss, batcher = build_loss(recipe), build_batcher(recipe, recommender, spec.history)
    batches = batcher.epoch(0)
    bf16 = recipe.training.precision == "bf16"

    def step() -> np.ndarray:
        times = [time.perf_counter()]
        batch = next(batches)
        times.append(time.perf_counter())
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            scores = recommender(batch)
        loss(scores).backward()  # type: ignore[no-untyped-call]
        times.append(time.perf_counter())
        optimiser.step(1.0)
        times.append(time.perf_counter())
        return np.diff(times)

    taken = np.array([step() for _ in range(steps + 2)])[2:]
    whole = median(taken.sum(axis=1))
    return {
        "width": recipe["items"]["width"],
        "batch_size": recipe.training.batch_size,
        "rows": recipe.training.batch_size / whole,
        "epoch": whole * len(batcher),
        "memory": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before),
        "parameters": sum(p.numel() for p in recommender.parameters()),
        **dict(zip(("batch", "model", "optimiser"), taken.sum(axis=0) / taken.sum(), strict=True)),
        "no_product": _outside_products(step),
    }


def _recipe(name: str, which: str) -> Recipe:
    words = name.replace("_", "-")
    if which == "published":
        try:
            return read_recipe(f"published/{words}-id", {"training.loader_threads": 0})
        except RecipeError:
            raise SystemExit("not part of the published benchmark") from None
    own = read_recipe(f"{words}-id")
    shared = own["negatives"]["name"] == "shared"
    return read_recipe(f"{words}-id", {**LIKE_FOR_LIKE, **({"negatives.drawn": 512} if shared else {})})


def _facts(length: int) -> DatasetSpec:
    rng = np.random.default_rng(0)
    counts = np.concatenate([[0], lengths(USERS, rng)])
    stops = np.cumsum(counts)
    taken = items(int(stops[-1]), rng).astype(np.int32) + 1
    history = Histories(taken, np.arange(len(taken)), stops - counts, stops)
    return DatasetSpec(USERS, ITEMS, length, None, history)


def _outside_products(step: Any) -> float:
    """The share of two steps' time that no matrix product takes."""
    with torch.profiler.profile() as profiler:
        step()
        step()
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    products = sum(
        event.self_cpu_time_total for event in events if any(word in event.key for word in PRODUCTS)
    )
    return 1 - products / total


if __name__ == "__main__":
    main()
