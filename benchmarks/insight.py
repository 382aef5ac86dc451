"""Reasons, places and changed covers on a large catalogue, in processor time.

python benchmarks/insight.py [--items 100000] [--width 128]

The weights are random: they do not change the times. Places are compared with the bare product of the same
users with all items.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from recommend import make_run

import pixelrec
from pixelrec.insight.audience import Audience
from pixelrec.insight.item_place import place_of
from pixelrec.insight.leave_one_out import leave_one_out
from pixelrec.insight.neighbours import nearest_by_vector
from pixelrec.insight.past import past_of
from pixelrec.insight.rank_history import ranks_over_time

USERS, EVENTS = 2000, 50


def processor_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """The median, after a first call that warms the caches."""
    work()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        service = pixelrec.load(make_run(Path(folder), given.items, given.width))
        assert service.trained is not None
        ids = service.items["item_id"].to_list()
        history, audience = [str(each) for each in ids[:EVENTS]], Audience.of(service, USERS)
        vectors = torch.randn(USERS, given.width)
        table = service.trained.catalogue.candidates
        bare = processor_seconds(lambda: vectors @ table.T)
        rows = {
            f"one item without each of {EVENTS} events": lambda: leave_one_out(
                service, past_of(service, history=history), [str(ids[99])]
            ),
            f"place of one item in {USERS:,} lists": lambda: place_of(audience, [str(ids[99])]),
            "the twenty nearest items of one": lambda: nearest_by_vector(service, [str(ids[99])]),
            "ranks of one item over time": lambda: ranks_over_time(service, str(ids[99])),
        }
        print(f"{given.items:,} items × D {given.width}, one thread")
        print(f"{1000 * bare:8.0f} ms  bare product of {USERS:,} vectors with all items")
        for name, work in rows.items():
            print(f"{1000 * processor_seconds(work):8.0f} ms  {name}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{peak:8.2f} GB  peak memory of all of it")


if __name__ == "__main__":
    main()
