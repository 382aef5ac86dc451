"""Tries damages of all files, ROUNDS of each; prints a line of JSON for each.

    python -m fuzz.server FOLDER SEED ROUNDS

A process of its own, because its children are forked: PyTorch and Polars must not have worked in it before.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

from fuzz.little_world import make
from fuzz.subjects import damages_of, files
from fuzz.trials import Trials


def main(folder: Path, seed: int, rounds: int) -> None:
    world = make(folder / "world")
    trials = Trials(world, folder / "x")
    for file, verbs in files(world):
        random = Random(f"{seed} {file}")  # what is tried of a file does not depend on the others
        for name, damage in random.sample(list(damages_of(world, file, random)), rounds):
            print(json.dumps(vars(trials.trial(file, name, damage, random.choice(verbs)))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
