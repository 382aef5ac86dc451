"""Recommending for one user: from the command line, and from a loaded recommender.

python benchmarks/recommend.py [--items 100000] [--width 64]

The command line is compared with `import torch`, the loaded recommender with the bare product of a vector
with all items. The weights are random: they do not change the times.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
import torch

import pixelrec
from pixelrec.recipe.build import build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.new_run import create_run
from pixelrec.runs.run import Run

USERS, EVENTS = 10_000, 20


def make_run(folder: Path, items: int, width: int) -> Run:
    """A run of sasrec-id with random weights, and its data set."""
    chance = np.random.default_rng(0)
    numbers = np.r_[np.arange(items), chance.integers(items, size=max(0, USERS * EVENTS - items))]
    rows = {
        "item_id": numbers,
        "user_id": np.arange(len(numbers)) % USERS,
        "timestamp": np.arange(len(numbers)),
    }
    pl.DataFrame(rows).write_parquet(folder / "events.parquet")
    data = pixelrec.prepare(folder / "events.parquet", out=folder / "data")
    recipe = read_recipe("sasrec-id", {"items.width": width, "training.device": "cpu"})
    run = create_run(folder / "run", recipe, data)
    build_recommender(recipe, pixelrec.DatasetSpec(data.users, data.items, recipe["length"])).save(
        run.folder / "best"
    )
    return run


def processor_seconds(words: list[str]) -> float:
    """User and system time of a command, the median of five runs after one that warms the caches."""
    found = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(found[1:])


def milliseconds(call: Callable[[], object], times: int = 50) -> float:
    """Processor time, the median of many calls: other work on the machine counts little."""
    found = []
    for _ in range(times):
        started = time.process_time()
        call()
        found.append(1e3 * (time.process_time() - started))
    return median(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        run = make_run(Path(place), given.items, given.width)
        torch_alone = processor_seconds([sys.executable, "-c", "import torch"])
        command = [sys.executable, "-m", "pixelrec", "recommend", str(run.folder), "--user", "7"]
        whole = processor_seconds(command)
        print(f"import torch                    {torch_alone:6.2f} s of one core")
        print(f"pixelrec recommend --user       {whole:6.2f} s: {whole / torch_alone:.2f} ×")
        service = pixelrec.load(run)
        vector, table = torch.randn(1, given.width), service.trained.catalogue.candidates
        product = milliseconds(lambda: vector @ table.T)
        print(f"bare product, {len(table):,} × {given.width}    {product:6.2f} ms")
        ids = service.items["item_id"].to_list()
        calls: dict[str, Callable[[], object]] = {
            "one user": lambda: service.recommend(users=["7"]),
            "one history": lambda: service.recommend(histories=[ids[:10]]),
            "one user, among half": lambda: service.recommend(users=["7"], among=ids[::2]),
        }
        for title, call in calls.items():
            found = milliseconds(call)
            print(f"loaded, {title:<23} {found:6.2f} ms: {found / product:.1f} ×")


if __name__ == "__main__":
    main()
