"""The progress of a grid: a line for every finished cell, and on a terminal the cells under way below."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import final

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pixelrec.console.numbers import duration, percent, plural
from pixelrec.evaluation.comparison import METRIC
from pixelrec.files.lock import holder
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.plan import Grid
from pixelrec.runs.results import EvaluationResult
from pixelrec.training.journal import read_journal

EVERY = 1.0  # seconds between two looks at the cells under way


@final
class ProgressPrinter:
    def __init__(self, grid: Grid, console: Console) -> None:
        self.grid, self.console = grid, console
        self._status: Status | None = None
        self._drawn, self._awaited = 0.0, ""
        self._width = max(len(recipe.name) for recipe in grid.recipes)

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, emoji=False)

    def begin(self, jobs: int) -> None:
        """The size of the grid, finished and remaining runs, and earlier failures."""
        recipes, seeds = plural(len(self.grid.recipes), "recipe"), plural(len(self.grid.cells[0]), "seed")
        done, total = self._done(), len(self.grid.in_turn())
        left = f"{done} done already, {total - done} to go" if done else f"{plural(total, 'run')} to go"
        if trained := self._trained() - done:
            left += f", {trained} of them only to rank"
        at_once = f", {jobs} at a time" if jobs > 1 and done < total else ""
        self.say(f"grid       {recipes} × {seeds} in {self.grid.out}: {left}{at_once}")
        for cell in self.grid.in_turn():
            if cell.state(self.grid.split) == "failed":
                self.say(f"again      {cell.name}, which failed: {cell.failure}")

    def report(self, cell: Cell) -> None:
        title = f"{self._done():>3} of {len(self.grid.in_turn())}  {self._name(cell)}"
        costs = Costs.read(cell.folder)
        if cell.state(self.grid.split) != "done" or costs is None:
            self.say(f"{title}  failed: {cell.failure}")
            return
        found = EvaluationResult.read(cell.folder, self.grid.split)
        value = percent(found.own_metrics[METRIC])
        took = f"{duration(costs.seconds)}, best epoch {costs.best_epoch} of {costs.epochs}"
        self.say(f"{title}  {METRIC} {value} %  {took}")

    def wait_for(self, cells: Sequence[Cell]) -> None:
        """Only cells that other processes have locked are left."""
        names = ", ".join(cell.name for cell in cells)
        if names != self._awaited:
            self._awaited = names
            others = " and ".join(dict.fromkeys(holder(cell.lock_file) for cell in cells))
            self.say(f"waiting    for {others}, working on {names}")

    def stop_for(self, cells: Sequence[Cell]) -> None:
        self.clear()
        if names := ", ".join(cell.name for cell in cells):
            self.say(f"stopping   {names}: finishing the step and saving; once more stops at once")

    def watch(self, cells: Sequence[Cell]) -> None:
        """Redraws the cells under way, once a second."""
        if monotonic() - self._drawn >= EVERY:
            self._drawn = monotonic()
            lines = [f"{self._done()} of {len(self.grid.in_turn())} done", *map(self._under_way, cells)]
            self._draw("\n  ".join(lines))

    def show(self, what: str) -> None:
        """What is done beside the cells, until `clear`."""
        self._draw(what)

    def clear(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _draw(self, text: str) -> None:
        if not self.console.is_terminal:
            return
        if self._status is None:
            self._status = self.console.status("")
            self._status.start()
        self._status.update(Text(text))  # as `Text`, names are not taken for markup

    def _under_way(self, cell: Cell) -> str:
        if Costs.read(cell.folder) is not None:
            return f"{self._name(cell)}  ranking the {self.grid.split} events"
        training = cell.recipe.training
        epochs = read_journal(cell.folder / "metrics.jsonl", training.monitor)
        done = epochs[-1]["epoch"] if epochs else 0
        under_way = f"{self._name(cell)}  epoch {min(done + 1, training.epochs)}/{training.epochs}"
        if not done:
            return under_way
        best = max(epochs, key=lambda row: row[training.monitor])
        monitored = f"{training.monitor} {percent(best[training.monitor])} %"
        return f"{under_way}, {duration(epochs[-1]['seconds'])} each, best {best['epoch']}: {monitored}"

    def _name(self, cell: Cell) -> str:
        return f"{cell.recipe.name:<{self._width}}  seed {cell.seed}"

    def _trained(self) -> int:
        return sum(Costs.read(cell.folder) is not None for cell in self.grid.in_turn())

    def _done(self) -> int:
        return sum(cell.state(self.grid.split) == "done" for cell in self.grid.in_turn())
