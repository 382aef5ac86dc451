"""Which pass of a fit to keep: rules beside the cosine of held-out items, in the worlds of `thin.py`.

    OMP_NUM_THREADS=1 python benchmarks/passes.py --customers 300 --seeds 0 1 101 102
    OMP_NUM_THREADS=1 python benchmarks/passes.py --marks --customers 600 --seeds 0 101

- cosine: the best held-out cosine, as shipped;
- error: the latest pass whose held-out cosine is behind the best by no more than a standard error (of the
  difference, over items);
- ndcg: the best NDCG@10 on validation, of the user model of the rows over the vectors of the pass;
- sum: the best sum of held-out cosine and that NDCG@10;
- last: the last pass.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from thin import UNREAD, _measured, _trained, _world
from torch.nn import functional as F

from pixelrec.evaluation.comparison import METRIC
from pixelrec.recommender import Recommender
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.validate import validate
from pixelrec.training import fitting
from pixelrec.training.fitting import COSINE, Teacher
from pixelrec.training.journal import JOURNAL, read_journal
from pixelrec.training.loop import Validation
from pixelrec.training.processes import Processes

RULES = ("cosine", "error", "ndcg", "sum", "last")
KEPT = 1.0  # added to what another rule than the cosine keeps, as a fit below 0.2 starts again


class Rule:
    """In place of `fitting.held_out`: its cosine becomes a number that is greatest at the pass to keep."""

    def __init__(self, name: str, ndcg: partial[Validation]) -> None:
        self.name, self._ndcg = name, ndcg
        self._plain, self._best, self._passes = fitting.held_out, np.zeros(0), 0

    def __call__(self, recommender: Recommender, teacher: Teacher, processes: Processes) -> Validation:
        found = self._plain(recommender, teacher, processes)
        value = self._value(found.metrics[COSINE], recommender, teacher)
        return Validation({COSINE: value}, found.seconds, found.encoding_seconds)

    def _value(self, cosine: float, recommender: Recommender, teacher: Teacher) -> float:
        self._passes += 1
        if self.name in ("ndcg", "sum"):
            kept = recommender.bank
            ndcg = self._ndcg(recommender).metrics[METRIC]
            recommender.bank = kept
            return ndcg + (KEPT if self.name == "ndcg" else cosine)
        if self.name == "error":
            return KEPT + self._passes if self._is_near(recommender, teacher) else cosine
        return cosine if self.name == "cosine" else KEPT + self._passes

    def _is_near(self, recommender: Recommender, teacher: Teacher) -> bool:
        """Whether the best pass so far is ahead by no more than a standard error."""
        items = torch.from_numpy(teacher.held_out)
        encoded = torch.cat(list(recommender.encode(items))).double().cpu()
        each = F.cosine_similarity(encoded, teacher.vectors[items].double()).numpy()
        weights = teacher.weights[items].double().numpy()
        weights /= weights.sum()
        if not len(self._best) or weights @ each > weights @ self._best:
            self._best = each
        behind = self._best - each
        mean = weights @ behind
        return bool(mean <= np.sqrt((weights**2) @ (behind - mean) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("bench/passes"))
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102])
    parser.add_argument("--marks", action="store_true")
    parser.add_argument("--rules", nargs="+", default=RULES, choices=RULES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    plain = fitting.held_out
    for seed in given.seeds:
        folder = given.out / f"{'marks' if given.marks else 'shop'}-{given.customers}-{seed}"
        world = _world(folder, given.customers, seed, marks=given.marks)
        ndcg = partial(
            validate, cases=cases_of(world[0], "validation"), processes=Processes.launched("cpu"), bank=False
        )
        for name in given.rules:
            fitting.held_out = plain
            fitting.held_out = Rule(name, ndcg)
            run = _trained(folder / name, "sasrec-fitted", UNREAD, seed, world)
            rows = read_journal(run.folder / "fit" / JOURNAL, COSINE)
            best = int(np.argmax([row[COSINE] for row in rows]))
            settled = max(row[METRIC] for row in read_journal(run.folder / JOURNAL, METRIC))
            told = f"pass {best}, validation {100 * settled:.2f}"
            print(f"{folder.name} {name:8} {told}, {_measured(run, *world)}", flush=True)


if __name__ == "__main__":
    main()
