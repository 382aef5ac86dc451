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
from pathlib import Path
from statistics import stdev
from typing import Any, Literal, Self, final
from urllib.parse import quote

import numpy as np

from pixelrec.choices import CONTROLS, Control
from pixelrec.errors import RunError, command
from pixelrec.evaluation.baselines import reads_features
from pixelrec.evaluation.comparison import METRIC, Comparison, Difference, seed_values
from pixelrec.evaluation.significance import Mean, mean
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, NEW
from pixelrec.grid.audit import Audit
from pixelrec.grid.cell import Cell, Costs, check_same_networks
from pixelrec.grid.plan import Grid
from pixelrec.recipe.recipe import Recipe
from pixelrec.runs.evaluate import target_counts
from pixelrec.runs.report import report_file
from pixelrec.runs.results import is_evaluated
from pixelrec.runs.saved_ranks import SavedRanks, ranks_file

LONG_TAIL_WORD, NEW_WORD = "long-tail", "new"
MIN_USERS = 2  # for a mean with an interval
Role = Literal["baseline", "recipe"]


@final
@dataclass(frozen=True)
class SubsetResult:
    """A model's metrics on a subset, in fractions; empty while no seed is done."""

    metrics: Mapping[str, Mean] = field(default_factory=dict)
    against: Comparison | None = None  # the best baseline; None for baselines and for too few users

    def value(self, metric: str) -> float:
        """A metric's mean; NaN if there is none."""
        return self.metrics[metric].mean if metric in self.metrics else math.nan


@final
@dataclass(frozen=True)
class SubsetComparison:
    """Some of Q cases, and the best baseline on them."""

    inside: np.ndarray  # bool[Q]
    best: str  # baseline, by METRIC
    ranks: np.ndarray  # of it, on each case inside
    compares: bool  # whether the cases are enough to compare models on

    @classmethod
    def of(
        cls, baselines: Mapping[str, np.ndarray], inside: np.ndarray, min_cases: int = MIN_USERS
    ) -> Self | None:
        """None for fewer than two cases. baselines: ranks by name, int64[Q]."""
        count = int(inside.sum())
        if count < MIN_USERS:
            return None
        found = {name: ranks[inside] for name, ranks in baselines.items()}
        best = max(found, key=lambda name: float(seed_values(found[name])[METRIC].mean()))
        return cls(inside, best, found[best], count >= min_cases)

    def result(self, seeds: Sequence[np.ndarray], *, compare: bool) -> SubsetResult:
        """Seeds are averaged per user first. seeds: ranks of each, int64[Q]."""
        if not seeds:
            return SubsetResult()
        inside, against = np.stack([ranks[self.inside] for ranks in seeds]), None
        if compare and self.compares:
            against = Comparison(self.best, Difference.of(inside, self.ranks))
        return SubsetResult({name: mean(some) for name, some in seed_values(inside).items()}, against)


@final
@dataclass(frozen=True)
class Row:
    """One model, or one seed of a recipe."""

    model: str
    role: Role
    overall: SubsetResult
    long_tail: SubsetResult  # on users whose item has few training events; empty if there are fewer than two
    new: SubsetResult  # on those whose item has none
    seed: int | None = None
    seeds: Sequence[Row] = ()  # finished ones
    costs: Sequence[Costs] = ()  # of each finished seed
    planned: int = 0  # seeds in all
    failures: Mapping[int, str] = field(default_factory=dict)  # the last reason by seed
    published: Mapping[str, Any] = field(default_factory=dict)  # figures of a paper
    versus: Mapping[str, Difference] = field(default_factory=dict)  # the reference, by METRIC, long-tail, new
    audit: Audit | None = None  # none unless its controls are in the grid
    is_control: bool = False
    report: str = ""  # of a seed: address of the report of its run, from the grid's folder; empty without one

    @property
    def against(self) -> Comparison | None:
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
    data: str
    split: str
    users: int
    repeats: int  # users left out, as their target is in their history
    items: int
    best_baseline: str  # every recipe is compared with it
    long_tail: int  # users whose item has few training events
    long_tail_best: str  # the best baseline on those; empty if they are too few for a mean
    long_tail_compares: bool  # whether they are enough to compare models on
    new: int  # users whose item has no training event
    rows: Sequence[Row]
    notes: Mapping[str, str]  # by baseline, its hyperparameters, or why it is left out
    made: str
    overrides: Mapping[str, Any] = field(default_factory=dict)  # options set for the recipes that have them
    reference: str = ""  # the recipe of `Row.versus`

    @property
    def recipes(self) -> list[Row]:
        return [row for row in self.rows if row.role == "recipe"]


@final
class Collector:
    """Collects all finished cells beside the baselines; the row of a seed is computed once.

    baselines: ranks by name, int64[Q], in the order of the grid's cases. notes: by baseline.
    """

    def __init__(
        self, grid: Grid, baselines: Mapping[str, np.ndarray], notes: Mapping[str, str] | None = None
    ) -> None:
        cases = grid.cases()
        counts = target_counts(grid.dataset, cases)
        overall = SubsetComparison.of(baselines, np.full(len(cases), True))
        assert overall is not None, "`plan` refuses data sets without two users"
        self.grid, self.baselines, self.notes, self.overall = grid, baselines, notes or {}, overall
        self.long_tail = SubsetComparison.of(baselines, LONG_TAIL.holds(counts), MIN_CASES)
        self.new = SubsetComparison.of(baselines, NEW.holds(counts), MIN_CASES)
        self._repeats = cases.repeats
        self._expected = SavedRanks.of_cases(grid.dataset, cases, np.ones(len(cases), np.int64), counts)
        self._seeds: dict[Path, tuple[Row, np.ndarray]] = {}  # by the folder of the cell, with its ranks
        self._by_recipe = {cells[0].recipe.name: cells for cells in grid.cells}

    def results(self) -> Results:
        """The results of all cells that are done by now.

        Raises `RunError` if a cell's ranks are damaged, or of other users, targets or training events, or if
        cells of one recipe started from different networks.
        """
        grid, long_tail = self.grid, self.long_tail
        rows = [
            Row(name, "baseline", *self._on_subsets([one], compare=False))
            for name, one in self.baselines.items()
        ]
        return Results(
            data=grid.dataset.folder.resolve().name,
            split=grid.split,
            users=len(self._expected.table),
            repeats=self._repeats,
            items=grid.dataset.items,
            best_baseline=self.overall.best,
            long_tail=int(LONG_TAIL.holds(self._expected.counts).sum()),
            long_tail_best=long_tail.best if long_tail else "",
            long_tail_compares=long_tail is not None and long_tail.compares,
            new=int(NEW.holds(self._expected.counts).sum()),
            rows=[*rows, *map(self._recipe, grid.rows)],
            notes=self.notes,
            made=f"{datetime.now():%Y-%m-%d}, pixelrec {version('pixelrec')}",
            overrides=grid.shown_overrides,
            reference=grid.reference,
        )

    def _on_subsets(
        self, seeds: Sequence[np.ndarray], *, compare: bool = True
    ) -> tuple[SubsetResult, SubsetResult, SubsetResult]:
        tail = self.long_tail.result(seeds, compare=compare) if self.long_tail else SubsetResult()
        new = self.new.result(seeds, compare=compare) if self.new else SubsetResult()
        return self.overall.result(seeds, compare=compare), tail, new

    def _versus(self, name: str, seeds: Sequence[np.ndarray]) -> dict[str, Difference]:
        """A recipe minus the reference. seeds: ranks of each, int64[Q]."""
        others = [ranks for _, ranks in self._done(self._by_recipe.get(self.grid.reference, ()))]
        if name == self.grid.reference or not seeds or not others:
            return {}
        ours, theirs = np.stack(seeds), np.stack(others)
        parts = {METRIC: self.overall, LONG_TAIL_WORD: self.long_tail, NEW_WORD: self.new}
        return {
            word: Difference.of(ours[:, part.inside], theirs[:, part.inside])
            for word, part in parts.items()
            if part is not None and part.compares
        }

    def _recipe(self, cells: Sequence[Cell]) -> Row:
        check_same_networks(cells)
        recipe, states = cells[0].recipe, {cell.seed: cell.state(self.grid.split) for cell in cells}
        done = self._done(cells)
        return Row(
            recipe.name,
            "recipe",
            *self._on_subsets([ranks for _, ranks in done]),
            seeds=[seed for seed, _ in done],
            costs=[cost for seed, _ in done for cost in seed.costs],
            planned=len(cells),
            failures={cell.seed: cell.failure or "" for cell in cells if states[cell.seed] == "failed"},
            published=recipe.published,
            versus=self._versus(recipe.name, [ranks for _, ranks in done]),
            audit=self._audit(recipe, [ranks for _, ranks in done]),
            is_control=recipe.is_control,
        )

    def _done(self, cells: Sequence[Cell]) -> list[tuple[Row, np.ndarray]]:
        """The finished ones."""
        return [self._seed(cell) for cell in cells if cell.state(self.grid.split) == "done"]

    def _audit(self, recipe: Recipe, seeds: Sequence[np.ndarray]) -> Audit | None:
        """seeds: ranks of each, int64[Q]."""
        if recipe.is_control or not seeds:
            return None
        ranks: dict[Control, np.ndarray] = {}
        for control in CONTROLS:
            other = recipe.controlled(control)
            cells = self._by_recipe.get(other.name, []) if other else []
            if control != "none" and (found := self._done(cells)):
                ranks[control] = np.stack([each for _, each in found])
        blind = {name: one for name, one in self.baselines.items() if not reads_features(name)}
        tail = self.long_tail.inside if self.long_tail and self.long_tail.compares else None
        return Audit.of(np.stack(seeds), ranks, blind, tail) if ranks else None

    def _seed(self, cell: Cell) -> tuple[Row, np.ndarray]:
        """The row of a finished cell, and its ranks; refused unless they are of its weights and the cases."""
        if cell.folder not in self._seeds:
            if not is_evaluated(cell.folder, self.grid.split):
                again = command("evaluate", cell.folder, "--split", self.grid.split)
                raise RunError(f"{cell.folder}: its evaluation is damaged or of other weights; run `{again}`")
            found, costs = SavedRanks.read(cell.folder, self.grid.split), Costs.read(cell.folder)
            files = f"{ranks_file(cell.folder, self.grid.split)} and {self.grid.dataset.folder}"
            found.demand_same_cases(self._expected, files, f"choose another --out, or delete {cell.folder}")
            parts = self._on_subsets([found.ranks])
            page = report_file(cell.folder, self.grid.split)
            report = quote(page.relative_to(self.grid.out).as_posix()) if page.exists() else ""
            row = Row(
                cell.recipe.name, "recipe", *parts, cell.seed, costs=[costs] if costs else [], report=report
            )
            self._seeds[cell.folder] = row, found.ranks
        return self._seeds[cell.folder]
