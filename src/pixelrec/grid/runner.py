"""Works through the cells of a grid, so many at a time, and can be stopped or killed at any moment.

What is done is on the disk, and nowhere else: another start, or another runner beside this one, finds out
by itself what is left. Cells that somebody else works on are left to him, and waited for at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import sleep
from typing import final

from pixelrec.errors import RunError
from pixelrec.grid.attempt import Attempt
from pixelrec.grid.cell import Cell
from pixelrec.grid.child import Order
from pixelrec.grid.narrator import Narrator
from pixelrec.grid.plan import Grid
from pixelrec.training.interruption import Interruption

POLL = 0.1  # seconds


@final
class Runner:
    """Runs the cells that are not done.

    Args:
        grid: checked.
        jobs: processes at a time.
        narrator: who tells the user.
        changed: called whenever a cell is done or has failed.
    """

    def __init__(self, grid: Grid, jobs: int, narrator: Narrator, changed: Callable[[], object]) -> None:
        self.grid, self.jobs, self.narrator, self.changed = grid, jobs, narrator, changed
        self.left = [cell for cell in grid.in_turn() if cell.state(grid.split) != "done"]
        self.attempts: list[Attempt] = []
        self.elsewhere: set[str] = set()  # cells that others were seen to work on

    def run(self) -> int | None:
        """Works until nothing is left or a signal comes; that signal.

        Raises:
            RunError: somebody else began a cell with another recipe meanwhile.
        """
        try:
            with Interruption() as interruption:
                while (self.left or self.attempts) and not interruption.requested:
                    self._start_some()
                    self._settle_some()
                    self.narrator.watch([attempt.cell for attempt in self.attempts])
                    sleep(POLL)
                if interruption.requested:
                    self._stop()
            return interruption.signal
        finally:
            self.narrator.rest()
            for attempt in self.attempts:
                attempt.kill()
                attempt.wait()
                attempt.close()

    def _start_some(self) -> None:
        for cell in list(self.left):
            if len(self.attempts) >= self.jobs:
                return
            self._start(cell)
        if self.left and not self.attempts:
            self.narrator.wait_for(self.left)

    def _start(self, cell: Cell) -> None:
        """Takes up a cell, unless somebody else works on it or has just dealt with it."""
        lock = cell.lock()
        if lock is None:
            self.elsewhere.add(cell.name)
            return
        self.left.remove(cell)
        state = cell.state(self.grid.split)
        if state == "done" or (state == "failed" and cell.name in self.elsewhere):
            os.close(lock)
            self._report(cell)
            return
        try:
            cell.check(self.grid.dataset)  # whoever worked on it may have been asked for something else
        except RunError:
            os.close(lock)
            raise
        order = Order(cell.recipe, cell.folder, self.grid.dataset.folder, self.grid.split, self.jobs)
        self.attempts.append(Attempt(cell, lock, order))

    def _settle_some(self) -> None:
        for attempt in [attempt for attempt in self.attempts if attempt.is_over()]:
            reason = attempt.failure()
            if reason is None and attempt.cell.state(self.grid.split) != "done":
                reason = "its process ended well, yet its results are gone"
            if reason is not None:
                attempt.cell.fail(reason)
            self._dismiss(attempt)
            self._report(attempt.cell)

    def _report(self, cell: Cell) -> None:
        self.narrator.tell(cell)
        self.changed()

    def _dismiss(self, attempt: Attempt) -> None:
        self.attempts.remove(attempt)
        attempt.close()

    def _stop(self) -> None:
        """Has everybody save and stop; what gets done in doing so counts."""
        self.narrator.stop_for([attempt.cell for attempt in self.attempts])
        for attempt in self.attempts:
            attempt.interrupt()
        while not all(attempt.is_over() for attempt in self.attempts):
            sleep(POLL)
        for attempt in list(self.attempts):
            self._dismiss(attempt)
            if attempt.cell.state(self.grid.split) == "done":
                self._report(attempt.cell)
