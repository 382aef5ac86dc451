"""What a grid found, from ranks and costs alone: a row per model, each compared with the best baseline.

Every number over users is the mean over users of the mean over seeds, so its interval speaks of other users;
how far seeds differ stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean, stdev
from typing import Any, Literal, final

import numpy as np

from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.metrics import metrics, per_user
from pixelrec.evaluation.significance import Mean, mean, paired
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.plan import Grid
from pixelrec.version import VERSION

Role = Literal["baseline", "recipe"]


@final
@dataclass(frozen=True)
class SeedResult:
    """One run: its metrics, in fractions, and what it cost."""

    seed: int
    metrics: Mapping[str, float]
    costs: Costs


@final
@dataclass(frozen=True)
class Row:
    """One model.

    Args:
        metrics: over all users, in fractions; empty while no seed is done.
        against: the best baseline; none for baselines.
        seeds: what is done; baselines have none.
        asked: how many seeds there will be.
        failures: by seed, why the last attempt failed.
        published: what a paper reports.
    """

    model: str
    role: Role
    metrics: Mapping[str, Mean]
    against: Comparison | None = None
    seeds: Sequence[SeedResult] = ()
    asked: int = 0
    failures: Mapping[int, str] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)

    @property
    def progress(self) -> str:
        """How much of it there is, if not all: "2 of 3 seeds, 1 failed"."""
        if len(self.seeds) == self.asked:
            return ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{len(self.seeds)} of {self.asked} seed{'' if self.asked == 1 else 's'}{failed}"

    def value(self, metric: str) -> float:
        """A metric's mean; not a number while there is none."""
        return self.metrics[metric].mean if metric in self.metrics else math.nan

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
        about: by baseline, what was chosen for it on validation, or why it is left out.
    """

    data: str
    split: str
    users: int
    items: int
    rival: str
    rows: Sequence[Row]
    about: Mapping[str, str]
    made: str

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
    rows = [Row(name, "baseline", _means([per_user(ranks)])) for name, ranks in baselines.items()]
    best = max(rows, key=lambda row: row.value(METRIC)).model
    rival = Rival(best, per_user(baselines[best])[METRIC])
    users = grid.dataset.user_ids[grid.questions().users - 1]
    rows += [_recipe_row(grid, cells, users, rival) for cells in grid.cells]
    return Results(
        data=grid.dataset.folder.resolve().name,
        split=grid.split,
        users=len(users),
        items=grid.dataset.items,
        rival=best,
        rows=rows,
        about=about or {},
        made=f"{datetime.now():%Y-%m-%d}, pixelrec {VERSION}",
    )


@final
@dataclass(frozen=True)
class Rival:
    """The best baseline, and its METRIC for each user, float64[Q]."""

    name: str
    values: np.ndarray


def _recipe_row(grid: Grid, cells: Sequence[Cell], users: Any, rival: Rival) -> Row:
    found, seeds = [], []
    for cell in cells:
        costs = Costs.read(cell.folder)
        if cell.state(grid.split) == "done" and costs is not None:
            ranks = _ranks(cell, grid.split, users)
            found.append(per_user(ranks))
            seeds.append(SeedResult(cell.seed, metrics(ranks), costs))
    recipe = cells[0].recipe
    return Row(
        recipe.name,
        "recipe",
        _means(found),
        _against(rival, found),
        seeds,
        len(cells),
        {cell.seed: cell.failure or "" for cell in cells if cell.state(grid.split) == "failed"},
        recipe.published,
    )


def _against(rival: Rival, found: Sequence[Mapping[str, np.ndarray]]) -> Comparison | None:
    if not found:
        return None
    interval = paired(np.stack([one[METRIC] for one in found]), rival.values)
    return Comparison(rival.name, interval.difference, interval.low, interval.high)


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


def _means(found: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Mean]:
    """By metric, over users, seeds averaged first."""
    names = list(found[0]) if found else []
    return {name: mean(np.stack([one[name] for one in found])) for name in names}


def average(values: Iterable[float | None]) -> float:
    """Of those that are there; not a number for none."""
    there = [value for value in values if value is not None]
    return fmean(there) if there else math.nan


def most(values: Iterable[float | None]) -> float:
    """Of those that are there; not a number for none."""
    return max((value for value in values if value is not None), default=math.nan)
