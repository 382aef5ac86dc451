"""Works through a grid and keeps its table: rewritten whenever a cell is over, as Markdown, CSV and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from rich.console import Console

from pixelrec.console.numbers import duration, plural
from pixelrec.errors import RequestError, RunError, StoppedError
from pixelrec.files.atomic import write_text
from pixelrec.grid.markdown import markdown
from pixelrec.grid.narrator import Narrator
from pixelrec.grid.page import page
from pixelrec.grid.plan import Grid
from pixelrec.grid.results import Results, compare
from pixelrec.grid.runner import Runner
from pixelrec.grid.sheet import sheet
from pixelrec.runs.evaluate import baselines as rank_baselines


@final
@dataclass(frozen=True)
class Outcome:
    """What is there of a grid.

    Args:
        results: a row per model, as the tables show it.
        markdown, csv, html: the tables.
    """

    grid: Grid
    results: Results

    @property
    def markdown(self) -> Path:
        return self._table("md")

    @property
    def csv(self) -> Path:
        return self._table("csv")

    @property
    def html(self) -> Path:
        return self._table("html")

    @property
    def failed(self) -> dict[str, str]:
        """By the name of a cell, such as "sasrec-id seed 1": why its last attempt failed."""
        return {
            cell.name: cell.failure or ""
            for cell in self.grid.in_turn()
            if cell.state(self.grid.split) == "failed"
        }

    @property
    def reasons(self) -> str:
        """Why cells failed; a reason that several have is told once."""
        names: dict[str, list[str]] = {}
        for name, why in self.failed.items():
            names.setdefault(why, []).append(name)
        return "; ".join(f"{', '.join(some)}: {why}" for why, some in names.items())

    @property
    def progress(self) -> str:
        """How many cells are done."""
        done = sum(len(row.seeds) for row in self.results.recipes)
        return f"{done} of {len(self.grid.in_turn())} runs done"

    def _table(self, kind: str) -> Path:
        return self.grid.out / f"results-{self.grid.split}.{kind}"

    def write(self) -> None:
        """All three tables.

        Raises:
            RunError: they cannot be written.
        """
        try:
            self.grid.out.mkdir(parents=True, exist_ok=True)
            write_text(self.markdown, markdown(self.results), RunError)
            write_text(self.csv, sheet(self.results), RunError)
            write_text(self.html, page(self.results), RunError)
        except OSError as error:
            raise RunError(
                f"{self.grid.out}: cannot be written: {error.strerror or error}; "
                "make room, or choose another --out"
            ) from error


def run_grid(grid: Grid, jobs: int, console: Console) -> Outcome:
    """Does what is not done yet.

    Raises:
        RunError: somebody else began a cell of this folder with another recipe meanwhile.
        StoppedError: by a signal; the same call continues.
    """
    if jobs < 1:
        raise RequestError(f"jobs is {jobs}; expected how many runs go on at a time, at least 1")
    narrator = Narrator(grid, console)
    baselines, about = _baselines(grid, narrator)

    def look() -> Outcome:
        outcome = Outcome(grid, compare(grid, baselines, about))
        outcome.write()
        return outcome

    look()  # also what an earlier start has done is worth a table
    narrator.begin(jobs)
    signal = Runner(grid, jobs, narrator, look).run()
    outcome = look()
    if signal is not None:
        raise StoppedError(signal, f"{outcome.progress}; the same command continues")
    return outcome


def _baselines(grid: Grid, narrator: Narrator) -> tuple[Mapping[str, np.ndarray], Mapping[str, str]]:
    """Their ranks, and what is to be said about them."""
    started = perf_counter()
    try:
        found = rank_baselines(grid.dataset, grid.split, narrator.show_baseline)
    finally:
        narrator.rest()
    seconds = duration(perf_counter() - started)
    narrator.say(f"baselines  {', '.join(found.ranks)}: {plural(len(grid.cases()), 'user')}, {seconds}")
    return found.ranks, found.notes
