"""Tells the terminal what is done, what is under way and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import final

from rich.console import Console
from rich.status import Status
from rich.text import Text

from pixelrec.console.numbers import duration, percent, plural
from pixelrec.evaluation.comparison import METRIC
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.plan import Grid
from pixelrec.runs.results import EvaluationResult
from pixelrec.training.journal import read_journal

EVERY = 1.0  # seconds between looks at the cells under way


@final
class Narrator:
    """Writes a line for every cell that is over; on a terminal also, below them, what is under way."""

    def __init__(self, grid: Grid, console: Console) -> None:
        self.grid, self.console = grid, console
        self._status: Status | None = None
        self._looked, self._waited_for = 0.0, ""
        self._width = max(len(recipe.name) for recipe in grid.recipes)

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False)

    def begin(self, jobs: int) -> None:
        """What there is, what is done already, what is left."""
        recipes, seeds = plural(len(self.grid.recipes), "recipe"), plural(len(self.grid.cells[0]), "seed")
        done, every = self._done(), len(self.grid.in_turn())
        at_once = f", {jobs} at a time" if jobs > 1 else ""
        left = f"{done} done already, {every - done} to go" if done else f"{plural(every, 'run')} to go"
        self.say(
            f"grid       {recipes} × {seeds} in {self.grid.out}: {left}{at_once if done < every else ''}"
        )
        for cell in self.grid.in_turn():
            if cell.state(self.grid.split) == "failed":
                self.say(f"again      {cell.name}, which failed: {cell.failure}")

    def tell(self, cell: Cell) -> None:
        """A cell is over."""
        place = f"{self._done():>3} of {len(self.grid.in_turn())}"
        title = f"{cell.recipe.name:<{self._width}}  seed {cell.seed}"
        costs = Costs.read(cell.folder)
        if cell.state(self.grid.split) != "done" or costs is None:
            self.say(f"{place}  {title}  failed: {cell.failure}")
            return
        measured = EvaluationResult.read(cell.folder, self.grid.split)
        metrics = measured.metrics[measured.model]
        best = f"best epoch {costs.best_epoch} of {costs.epochs}"
        self.say(
            f"{place}  {title}  {METRIC} {percent(metrics[METRIC])} %  {duration(costs.seconds)}, {best}"
        )

    def wait_for(self, cells: Sequence[Cell]) -> None:
        """Nothing can be done until other processes have let go of these."""
        names = ", ".join(cell.name for cell in cells)
        if names != self._waited_for:
            self._waited_for = names
            self.say(f"waiting    for another process that works on {names}")

    def stop_for(self, cells: Sequence[Cell]) -> None:
        """A signal came."""
        self.rest()
        names = ", ".join(cell.name for cell in cells)
        if names:
            self.say(f"stopping   {names}: the step is finished and saved; once more stops at once")

    def watch(self, cells: Sequence[Cell]) -> None:
        """What is under way, drawn anew every second."""
        if monotonic() - self._looked < EVERY:
            return
        self._looked = monotonic()
        lines = [f"{self._done()} of {len(self.grid.in_turn())} done", *map(self._under_way, cells)]
        self._show("\n  ".join(lines))

    def show_baseline(self, name: str) -> None:
        """A baseline is being fitted and ranked, which takes minutes where there are many items."""
        self._show(f"baseline {name}")

    def _show(self, text: str) -> None:
        if not self.console.is_terminal:
            return
        if self._status is None:
            self._status = self.console.status("")
            self._status.start()
        self._status.update(Text(text))  # names are no markup

    def rest(self) -> None:
        """Takes away what is drawn for a time only."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _under_way(self, cell: Cell) -> str:
        epochs = read_journal(cell.folder / "metrics.jsonl")
        config = cell.recipe.training
        title = f"{cell.recipe.name:<{self._width}}  seed {cell.seed}  "
        if Costs.read(cell.folder) is not None:
            return f"{title}ranking the {self.grid.split} events"
        done = epochs[-1]["epoch"] if epochs else 0
        under_way = f"{title}epoch {min(done + 1, config.epochs)}/{config.epochs}"
        if not done:
            return under_way
        best = max(epochs, key=lambda row: row[config.monitor])
        return (
            f"{under_way}, {duration(epochs[-1]['seconds'])} each, "
            f"best {best['epoch']}: {config.monitor} {percent(best[config.monitor])} %"
        )

    def _done(self) -> int:
        return sum(cell.state(self.grid.split) == "done" for cell in self.grid.in_turn())
