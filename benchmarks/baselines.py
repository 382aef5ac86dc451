"""Seconds of one core and peak memory of every baseline, chosen and ranked on data shaped like Pixel200K.

    OMP_NUM_THREADS=1 python benchmarks/baselines.py [--users 200000] [--only item-kNN]

Items are drawn by popularity alone, so that nearly all pairs are different: the most work for item-kNN.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pixel200k

from pixelrec.baselines import BASELINES
from pixelrec.batch import Histories
from pixelrec.data.split import EvaluationCases
from pixelrec.evaluation.baselines import BaselineRanker, best_candidate, sample

THREE_YEARS = 3 * 365 * 86_400  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=pixel200k.USERS)
    parser.add_argument("--only", default="", help="baselines whose name begins so")
    arguments = parser.parse_args()
    training, validation, test = _world(arguments.users)
    print(f"{len(training.items):,} events, peak memory before {_gigabytes():.2f} GB")
    for name, kind in BASELINES.items():
        if not name.startswith(arguments.only):
            continue
        obstacle = kind.obstacle(pixel200k.ITEMS)
        if obstacle is not None:
            print(f"{name:18} {obstacle}")
            continue
        start = time.process_time()
        baseline = best_candidate(
            kind.candidates(training, pixel200k.ITEMS), pixel200k.ITEMS, sample(validation)
        )
        chosen = time.process_time()
        BaselineRanker(baseline, pixel200k.ITEMS).rank(test)
        ranked = time.process_time()
        print(
            f"{name:18} fitted and chosen {chosen - start:6.1f} s, ranked {ranked - chosen:6.1f} s, "
            f"peak memory so far {_gigabytes():.2f} GB",
            flush=True,
        )


def _world(users: int) -> tuple[Histories, EvaluationCases, EvaluationCases]:
    """Training events, validation and test questions: the test events follow no law."""
    rng = np.random.default_rng(0)
    lengths = np.append(0, pixel200k.lengths(users, rng))
    stops = np.cumsum(lengths)
    events = int(stops[-1])
    items = (pixel200k.items(events, rng) + 1).astype(np.int32)
    owners = np.repeat(np.arange(users + 1), lengths)
    times = rng.integers(0, THREE_YEARS, events)
    times = times[np.lexsort((times, owners))]
    starts, everyone = stops - lengths, np.arange(1, users + 1)
    training = Histories(items, times, starts, np.maximum(stops - 2, starts))
    shown = Histories(items, times, starts, np.maximum(stops - 1, starts))
    validation = EvaluationCases("validation", everyone, items[stops[1:] - 2].astype(np.int64), training)
    return (
        training,
        validation,
        EvaluationCases("test", everyone, items[stops[1:] - 1].astype(np.int64), shown),
    )


def _gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
