"""What a grid found, from ranks and costs alone: a row per model, each compared with the best baseline.

Every number over users is the mean over users of the mean over seeds, so its interval speaks of other users;
how far seeds differ stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from statistics import fmean, stdev
from typing import Any, Literal, final

import numpy as np

from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Comparison
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.significance import Mean
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.contest import Contest, Part
from pixelrec.grid.plan import Grid
from pixelrec.runs.evaluate import target_counts

Role = Literal["baseline", "recipe"]


@final
@dataclass(frozen=True)
class SeedResult:
    """One run: its metrics, in fractions, over all users and on long-tail items, and what it cost."""

    seed: int
    metrics: Mapping[str, float]
    few: Mapping[str, float]
    costs: Costs


@final
@dataclass(frozen=True)
class Row:
    """One model.

    Args:
        whole: over all users.
        few: over users whose item has few training events; empty where there are no two of them.
        seeds: what is done; baselines have none.
        asked: how many seeds there will be.
        failures: by seed, why the last attempt failed.
        published: what a paper reports.
    """

    model: str
    role: Role
    whole: Part
    few: Part = field(default_factory=Part)
    seeds: Sequence[SeedResult] = ()
    asked: int = 0
    failures: Mapping[int, str] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Mean]:
        """Over all users."""
        return self.whole.metrics

    @property
    def against(self) -> Comparison | None:
        """The best baseline, over all users."""
        return self.whole.against

    @property
    def progress(self) -> str:
        """How much of it there is, if not all: "2 of 3 seeds, 1 failed"."""
        if len(self.seeds) == self.asked:
            return ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{len(self.seeds)} of {self.asked} seed{'' if self.asked == 1 else 's'}{failed}"

    def value(self, metric: str) -> float:
        """A metric's mean; not a number while there is none."""
        return self.whole.value(metric)

    def spread(self, metric: str) -> float:
        """The standard deviation of a metric over seeds; not a number for fewer than two."""
        values = [seed.metrics[metric] for seed in self.seeds]
        return stdev(values) if len(values) > 1 else math.nan

    def costs(self) -> Iterator[Costs]:
        return (seed.costs for seed in self.seeds)


@final
@dataclass(frozen=True)
class Results:
    """All rows, and what they have in common.

    Args:
        rival: the best baseline, which every recipe is compared with.
        few: users whose item has few training events.
        few_rival: the best baseline on those; empty where there are too few of them for any mean.
        few_compares: whether they are enough to compare models by.
        about: by baseline, what was chosen for it on validation, or why it is left out.
        overrides: what was chosen for every recipe, whatever it says itself.
    """

    data: str
    split: str
    users: int
    items: int
    rival: str
    few: int
    few_rival: str
    few_compares: bool
    rows: Sequence[Row]
    about: Mapping[str, str]
    made: str
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipes(self) -> list[Row]:
        return [row for row in self.rows if row.role == "recipe"]


def compare(
    grid: Grid, baselines: Mapping[str, np.ndarray], about: Mapping[str, str] | None = None
) -> Results:
    """What is done so far, beside the baselines.

    Args:
        baselines: int64[Q] ranks by name, in the order of the grid's questions.
        about: by baseline, what was chosen for it on validation, or why it is left out.

    Raises:
        RunError: a cell's ranks are of other users.
    """
    cases = grid.cases()
    inside = LONG_TAIL.holds(target_counts(grid.dataset, cases))
    whole, few = Contest.of(baselines, np.full(len(cases), True)), Contest.of(baselines, inside, MIN_CASES)
    assert whole is not None, "`plan` refuses data sets without two users"
    rows = [
        Row(name, "baseline", whole.baseline(ranks), few.baseline(ranks) if few else Part())
        for name, ranks in baselines.items()
    ]
    users = grid.dataset.user_ids[cases.users - 1]
    rows += [_recipe_row(grid, cells, users, whole, few) for cells in grid.cells]
    return Results(
        data=grid.dataset.folder.resolve().name,
        split=grid.split,
        users=len(users),
        items=grid.dataset.items,
        rival=whole.rival,
        few=int(inside.sum()),
        few_rival=few.rival if few else "",
        few_compares=few is not None and few.compares,
        rows=rows,
        about=about or {},
        made=f"{datetime.now():%Y-%m-%d}, pixelrec {version('pixelrec')}",
        overrides=grid.overrides,
    )


def _recipe_row(grid: Grid, cells: Sequence[Cell], users: Any, whole: Contest, few: Contest | None) -> Row:
    found, seeds = [], []
    for cell in cells:
        costs = Costs.read(cell.folder)
        if cell.state(grid.split) == "done" and costs is not None:
            ranks = _ranks(cell, grid.split, users)
            found.append(ranks)
            on_few = metrics(ranks[few.inside]) if few else {}
            seeds.append(SeedResult(cell.seed, metrics(ranks), on_few, costs))
    recipe = cells[0].recipe
    return Row(
        recipe.name,
        "recipe",
        whole.recipe(found),
        few.recipe(found) if few else Part(),
        seeds,
        len(cells),
        {cell.seed: cell.failure or "" for cell in cells if cell.state(grid.split) == "failed"},
        recipe.published,
    )


def _ranks(cell: Cell, split: str, users: Any) -> np.ndarray:
    """int64[Q] in the order of `users`."""
    import polars as pl

    path = cell.ranks(split)
    try:
        table = pl.read_parquet(path, columns=["user_id", "rank"], glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise RunError(f"{path}: missing or damaged ({first_line}); delete it and start again") from error
    if not table["user_id"].equals(users):
        raise RunError(f"{path}: is of other users than the data set's; delete it and start again")
    return table["rank"].to_numpy()


def average(values: Iterable[float | None]) -> float:
    """Of those that are there; not a number for none."""
    there = [value for value in values if value is not None]
    return fmean(there) if there else math.nan


def most(values: Iterable[float | None]) -> float:
    """Of those that are there; not a number for none."""
    return max((value for value in values if value is not None), default=math.nan)
