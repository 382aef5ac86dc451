"""Tries damages of all files, and prints a line of JSON for each.

    python -m fuzz.server FOLDER SEED

A process of its own, because its children are forked: PyTorch and Polars must not have worked in it before.
"""

from __future__ import annotations

import json
import sys
from itertools import cycle
from pathlib import Path
from random import Random

from fuzz.little_world import make
from fuzz.mutations import Named, bytewise, of_format, places
from fuzz.subjects import files
from fuzz.trials import Trials


def main(folder: Path, seed: int) -> None:
    world = make(folder / "world")
    trials = Trials(world, folder / "x")
    for file, verbs in files(world):
        random = Random(f"{seed} {file}")  # what is tried of a file does not depend on the others
        readers = cycle(random.sample(verbs, len(verbs)))
        for name, damage in _some(world / file, random):
            print(json.dumps(vars(trials.trial(file, name, damage, next(readers)))), flush=True)


def _some(path: Path, random: Random) -> list[Named]:
    """Two that only digests and close reading notice, and perhaps one of its place or of odd bytes."""
    coarse = [*places(), *bytewise(path.stat().st_size, random, 4)]
    fine = [*of_format(path, random)] or [each for each in coarse if "flipped" in each[0]]
    return random.sample(fine, 2) + random.sample(coarse, random.randrange(2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
