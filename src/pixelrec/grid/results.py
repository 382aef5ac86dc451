"""The results of a grid, from ranks and costs alone: a row per model, each beside the best baseline.

Every number over users is a mean over users of the mean over seeds, so its interval covers other users; the
standard deviation over seeds has a column of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from statistics import stdev
from typing import Any, Literal, final

import numpy as np

from pixelrec.evaluation.comparison import Comparison
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES
from pixelrec.grid.cell import Cell, Costs, check_same_networks
from pixelrec.grid.plan import Grid
from pixelrec.grid.subset import SubsetComparison, SubsetResult
from pixelrec.runs.compare import demand_same_cases
from pixelrec.runs.evaluate import target_counts
from pixelrec.runs.results import SavedRanks, read_ranks, result_files

Role = Literal["baseline", "recipe"]


@final
@dataclass(frozen=True)
class Row:
    """One model, or one seed of a recipe."""

    model: str
    role: Role
    overall: SubsetResult
    long_tail: SubsetResult  # on users whose item has few training events; empty if there are fewer than two
    seed: int | None = None
    seeds: Sequence[Row] = ()  # finished ones
    costs: Sequence[Costs] = ()  # of each finished seed
    planned: int = 0  # seeds in all
    failures: Mapping[int, str] = field(default_factory=dict)  # the last reason by seed
    published: Mapping[str, Any] = field(default_factory=dict)  # figures of a paper

    @property
    def against(self) -> Comparison | None:
        """The best baseline, over all users."""
        return self.overall.against

    @property
    def progress(self) -> str:
        """The share of finished seeds, empty if all are: "2 of 3 seeds, 1 failed"."""
        if len(self.costs) >= self.planned:
            return ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{len(self.costs)} of {self.planned} seed{'' if self.planned == 1 else 's'}{failed}"

    def spread(self, metric: str) -> float:
        """The standard deviation of a metric over seeds; NaN for fewer than two."""
        values = [seed.overall.value(metric) for seed in self.seeds]
        return stdev(values) if len(values) > 1 else math.nan


@final
@dataclass(frozen=True)
class Results:
    """All rows and their common facts."""

    data: str
    split: str
    users: int
    items: int
    best_baseline: str  # every recipe is compared with it
    long_tail: int  # users whose item has few training events
    long_tail_best: str  # the best baseline on those; empty if they are too few for a mean
    long_tail_compares: bool  # whether they are enough to compare models on
    rows: Sequence[Row]
    notes: Mapping[str, str]  # by baseline, its hyperparameters, or why it is left out
    made: str
    overrides: Mapping[str, Any] = field(default_factory=dict)  # options set for every recipe

    @property
    def recipes(self) -> list[Row]:
        return [row for row in self.rows if row.role == "recipe"]


def collect_results(
    grid: Grid, baselines: Mapping[str, np.ndarray], notes: Mapping[str, str] | None = None
) -> Results:
    """All finished cells beside the baselines.

    baselines: ranks by name, int64[Q], in the order of the grid's cases. notes: by baseline.

    Raises:
        RunError: a cell's ranks are damaged, or of other users, targets or training events; cells of one
            recipe started from different networks.
    """
    cases = grid.cases()
    counts = target_counts(grid.dataset, cases)
    inside = LONG_TAIL.holds(counts)
    overall = SubsetComparison.of(baselines, np.full(len(cases), True))
    long_tail = SubsetComparison.of(baselines, inside, MIN_CASES)
    assert overall is not None, "`plan` refuses data sets without two users"
    users, targets = grid.dataset.user_ids[cases.users - 1], grid.dataset.item_ids[cases.targets - 1]
    expected = SavedRanks(users, targets, np.ones(len(cases), np.int64), counts)

    def subset_results(seeds: Sequence[np.ndarray], *, compare: bool) -> tuple[SubsetResult, SubsetResult]:
        tail = long_tail.result(seeds, compare=compare) if long_tail else SubsetResult()
        return overall.result(seeds, compare=compare), tail

    def recipe_row(cells: Sequence[Cell]) -> Row:
        check_same_networks(cells)
        recipe, done = cells[0].recipe, [cell for cell in cells if cell.state(grid.split) == "done"]
        ranks = [_ranks(cell, grid, expected) for cell in done]
        costs = [cost for cell in done if (cost := Costs.read(cell.folder)) is not None]
        seeds = [
            Row(recipe.name, "recipe", *subset_results([one], compare=True), cell.seed, costs=[cost])
            for cell, one, cost in zip(done, ranks, costs, strict=True)
        ]
        failures = {cell.seed: cell.failure or "" for cell in cells if cell.state(grid.split) == "failed"}
        parts = subset_results(ranks, compare=True)
        planned = len(cells)
        return Row(recipe.name, "recipe", *parts, None, seeds, costs, planned, failures, recipe.published)

    rows = [Row(name, "baseline", *subset_results([one], compare=False)) for name, one in baselines.items()]
    return Results(
        data=grid.dataset.folder.resolve().name,
        split=grid.split,
        users=len(cases),
        items=grid.dataset.items,
        best_baseline=overall.best,
        long_tail=int(inside.sum()),
        long_tail_best=long_tail.best if long_tail else "",
        long_tail_compares=long_tail is not None and long_tail.compares,
        rows=[*rows, *map(recipe_row, grid.cells)],
        notes=notes or {},
        made=f"{datetime.now():%Y-%m-%d}, pixelrec {version('pixelrec')}",
        overrides=grid.overrides,
    )


def _ranks(cell: Cell, grid: Grid, expected: SavedRanks) -> np.ndarray:
    """int64[Q], refused if they are not of the grid's cases."""
    found = read_ranks(cell.folder, grid.split)
    files = f"{result_files(cell.folder, grid.split)[0]} and {grid.dataset.folder}"
    demand_same_cases(found, expected, files, f"choose another --out, or delete {cell.folder}")
    return found.ranks
