"""Runs a grid and writes its table as Markdown, CSV and HTML whenever a cell has finished or failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

from rich.console import Console

from pixelrec.console.numbers import duration, plural
from pixelrec.errors import RequestError, RunError, StoppedError
from pixelrec.evaluation.comparison import METRIC
from pixelrec.files.atomic import write_text
from pixelrec.grid.blended import make_blends
from pixelrec.grid.page import page
from pixelrec.grid.plan import Grid
from pixelrec.grid.progress import ProgressPrinter
from pixelrec.grid.results import Collector, Results
from pixelrec.grid.runner import Runner
from pixelrec.grid.tables import csv_table, markdown_table
from pixelrec.runs.evaluate import baselines
from pixelrec.runs.results import demand_writable


@final
@dataclass(frozen=True, repr=False)
class Outcome:
    """The results of a grid, finished or not, and the files of its tables: `markdown`, `csv`, `html`."""

    grid: Grid
    results: Results

    def __repr__(self) -> str:
        return f"Outcome({str(self.grid.out)!r}: {self.progress})"

    @property
    def markdown(self) -> Path:
        return self.grid.out / f"results-{self.grid.split}.md"

    @property
    def csv(self) -> Path:
        return self.markdown.with_suffix(".csv")

    @property
    def html(self) -> Path:
        return self.markdown.with_suffix(".html")

    @property
    def failed(self) -> dict[str, str]:
        """Why the last attempt failed, by the name of the cell, such as "sasrec-id seed 1"."""
        failed = [cell for cell in self.grid.in_turn() if cell.state(self.grid.split) == "failed"]
        return {cell.name: cell.failure or "" for cell in failed}

    @property
    def best(self) -> Path | None:
        """The first run of the best recipe; none while no run is done."""
        done = [
            (row.overall.value(METRIC), cells[0].folder.with_name(f"seed-{row.seeds[0].seed}"))
            for row, cells in zip(self.results.recipes, self.grid.rows, strict=True)
            if row.seeds and not cells[0].recipe.is_control
        ]
        return max(done)[1] if done else None

    @property
    def reasons(self) -> str:
        """All failures in a sentence; cells with the same reason are listed together."""
        names: dict[str, list[str]] = {}
        for name, why in self.failed.items():
            names.setdefault(why, []).append(name)
        return "; ".join(f"{', '.join(some)}: {why}" for why, some in names.items())

    @property
    def progress(self) -> str:
        """As in "2 of 6 runs done"."""
        cells = self.grid.in_turn()
        return f"{sum(cell.state(self.grid.split) == 'done' for cell in cells)} of {len(cells)} runs done"

    def write(self) -> None:
        """Writes all three tables; raises `RunError` if they cannot be written."""
        try:
            self.grid.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.grid.out}: {error.strerror}; choose another --out") from error
        write_text(self.markdown, markdown_table(self.results), RunError)
        write_text(self.csv, csv_table(self.results), RunError)
        write_text(self.html, page(self.results), RunError)


def run_grid(grid: Grid, jobs: int, console: Console) -> Outcome:
    """Runs the cells that are not done.

    Raises `RunError` if meanwhile another process began a cell of this folder with another recipe, and
    `StoppedError` after a signal; the same call continues.
    """
    if jobs < 1:
        raise RequestError(f"jobs is {jobs}; expected the number of simultaneous runs, at least 1")
    demand_writable(grid.out)
    progress = ProgressPrinter(grid, console)
    started = perf_counter()
    try:
        ranked = baselines(grid.dataset, grid.split, lambda name: progress.show(f"baseline {name}"))
    finally:
        progress.clear()
    users, took = plural(len(grid.cases()), "user"), duration(perf_counter() - started)
    progress.say(f"baselines  {', '.join(ranked.ranks)}: {users}, {took}")
    for name, why in ranked.notes.items():
        if name not in ranked.ranks:
            progress.say(f"without    {name}, {why}")
    collector = Collector(grid, ranked.ranks, ranked.notes)

    def update() -> Outcome:
        outcome = Outcome(grid, collector.results())
        outcome.write()
        return outcome

    update()  # with the results of earlier starts
    progress.begin(jobs)
    signal = Runner(grid, jobs, progress, update).run()
    if signal is None and grid.blends:
        try:
            make_blends(grid, progress.show)
        finally:
            progress.clear()
    outcome = update()
    if signal is not None:
        raise StoppedError(signal, f"{outcome.progress}; the same command continues")
    return outcome
