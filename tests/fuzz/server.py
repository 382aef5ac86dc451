"""Tries damages of all files in turn, for some seconds of processor time; prints a line of JSON for each.

    python -m fuzz.server FOLDER SEED SECONDS

A process of its own, because its children are forked: PyTorch and Polars must not have worked in it before.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from random import Random

from fuzz.little_world import make
from fuzz.mutations import Damage
from fuzz.subjects import damages_of, files
from fuzz.trials import Trials, Verb

Trial = tuple[str, str, Damage, Verb]


def main(folder: Path, seed: int, seconds: float) -> None:
    world = make(folder / "world")
    trials = Trials(world, folder / "x")
    for trial in _in_turn(world, Random(seed)):
        print(json.dumps(vars(trials.trial(*trial))), flush=True)
        if sum(os.times()[:4]) > seconds:  # of processor time, with that of the children
            return


def _in_turn(world: Path, random: Random) -> Iterator[Trial]:
    """A damage of each file, then another of each file, …"""
    plans = []
    for file, verbs in files(world):
        each = list(damages_of(world, file, random))
        random.shuffle(each)
        plans.append([(file, name, damage, verbs[n % len(verbs)]) for n, (name, damage) in enumerate(each)])
    for row in zip_longest(*plans):
        yield from filter(None, row)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
