"""A blend of the best recipes of a grid, for each seed, as one more row of its table."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.evaluation.comparison import METRIC
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.plan import Grid
from pixelrec.runs.blending import BlendResult, blend_models
from pixelrec.runs.evaluate import evaluate_run
from pixelrec.runs.run import BLEND, Run
from pixelrec.training.journal import JOURNAL, read_journal

PARTS = 3  # the best on validation


def with_blend(grid: Grid) -> Grid:
    """The grid with a blend for each seed, which is made when all its runs are done."""
    first = grid.cells[0]
    names = [replace(cell.recipe, name=BLEND) for cell in first]
    cells = [
        Cell(recipe, grid.out / BLEND / cell.folder.name) for recipe, cell in zip(names, first, strict=True)
    ]
    return replace(grid, blends=cells)


def make_blends(grid: Grid, on_progress: OnProgress = ignore) -> None:
    """Makes the blends whose parts are done, unless they are there already."""
    for blend, *cells in zip(grid.blends, *grid.cells, strict=True):
        parts = [cell for cell in cells if cell.state(grid.split) == "done"]
        if len(parts) > 1 and not _is_of(blend, best := sorted(parts, key=_validation)[-PARTS:], grid.split):
            _make(blend, best, grid, on_progress)


def _validation(cell: Cell) -> float:
    """The best METRIC on validation."""
    return max(float(row[METRIC]) for row in read_journal(cell.folder / JOURNAL, METRIC))


def _is_of(blend: Cell, parts: Sequence[Cell], split: str) -> bool:
    """Whether the blend is done, with these parts as they are now."""
    if blend.about is None or blend.state(split) != "done":
        return False
    made = (blend.folder / "cell.json").stat().st_mtime
    older = all((cell.folder / "cell.json").stat().st_mtime <= made for cell in parts)
    return older and set(blend.about[BLEND]) == {cell.recipe.name for cell in parts}


def _make(blend: Cell, parts: Sequence[Cell], grid: Grid, on_progress: OnProgress) -> None:
    if blend.about is not None:
        shutil.rmtree(blend.folder)  # of other parts
    runs = [Run.open(cell.folder) for cell in parts]
    found = blend_models(runs, [], None, grid.dataset, blend.folder, on_progress)
    evaluate_run(found.run, grid.dataset, grid.split, on_progress)
    _costs(found, parts).write(blend.folder)


def _costs(found: BlendResult, parts: Sequence[Cell]) -> Costs:
    """Those of the parts that have a weight, together."""
    used = [cell for cell in parts if found.weights[cell.recipe.name]]
    costs = [cost for cell in used if (cost := Costs.read(cell.folder))]
    seconds = [cost.cpu_seconds for cost in costs]
    known = [each for each in seconds if each is not None]
    return replace(
        costs[0],
        epochs=sum(cost.epochs for cost in costs),
        best_epoch=sum(cost.best_epoch for cost in costs),
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(known) if len(known) == len(seconds) else None,
        encodes=sum(cost.encodes for cost in costs),
        trained_encodes=sum(cost.trained_encodes for cost in costs),
        parameters=sum(cost.parameters for cost in costs),
        memory=max((cost.memory for cost in costs if cost.memory), default=None),
    )
