"""Grids whose cells are written by hand: no training, just what training would have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.data.dataset import Dataset
from pixelrec.evaluation.slices import ALL, measure
from pixelrec.files.checkpoint import weights_sha256, write_checkpoint
from pixelrec.grid import results
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.plan import Grid, plan
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.saved_ranks import SavedRanks

Finish = Callable[..., np.ndarray]


@pytest.fixture
def grid(dataset: Dataset, tmp_path: Path) -> Grid:
    """Two recipes with three seeds each, none of them begun."""
    recipes = ["mf-id", "published/sasrec-id"]
    return plan(dataset, recipes, seeds=3, split="test", out=tmp_path / "out", overrides={})


@pytest.fixture
def finish(grid: Grid) -> Finish:
    """Makes a cell look done; its ranks, drawn at random, the better the higher `skill`."""

    def finish(
        cell: Cell,
        *,
        skill: float = 0.3,
        memory: int | None = 300_000_000,
        jobs: int = 1,
        seconds: float = 40.0,
    ) -> np.ndarray:
        cases = grid.cases()
        chance = np.random.default_rng([cell.seed, int(1000 * skill)])
        hit = chance.random(len(cases)) < skill
        ranks = np.where(hit, chance.integers(1, 11, len(hit)), chance.integers(11, 100, len(hit)))
        write(grid, cell, ranks)
        Costs(
            epochs=10,
            best_epoch=4 + cell.seed,
            seconds=20.0 + 10 * cell.seed,
            cpu_seconds=seconds + 20 * cell.seed,
            encodes=0.0,
            trained_encodes=0.0,
            parameters=12_345,
            memory=memory,
            device_memory=None,
            machine="a processor",
            threads=2,
            jobs=jobs,
        ).write(cell.folder)
        return ranks

    return finish


def collect_results(
    grid: Grid, baselines: Mapping[str, np.ndarray], notes: Mapping[str, str] | None = None
) -> results.Results:
    return results.Collector(grid, baselines, notes).results()


def write(grid: Grid, cell: Cell, ranks: np.ndarray) -> None:
    """The files of an evaluated run that the grid looks at."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    cases = grid.cases()
    counts = results.target_counts(grid.dataset, cases)
    digest = SavedRanks.of_cases(grid.dataset, cases, ranks, counts).write(cell.folder, cases.name)
    best = cell.folder / "best"
    write_checkpoint(best, {}, {"bias": torch.zeros(1)})
    overall = measure(ALL, cell.recipe.name, {cell.recipe.name: ranks}, counts)
    assert overall is not None
    weights = weights_sha256(best)
    found = EvaluationResult(grid.split, cell.recipe.name, overall, {}, weights=weights, ranks=digest)
    found.write(cell.folder)
