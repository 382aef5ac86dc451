"""Runs the cells of a grid, some at a time; it can be stopped or killed at any moment.

All state is on the disk: another start, or another runner on the same folder, finds the cells that are left.
Cells locked by another process are skipped and awaited at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import final

from pixelrec.errors import RunError
from pixelrec.grid.cell import Cell
from pixelrec.grid.plan import Grid
from pixelrec.grid.process import CellProcess
from pixelrec.grid.progress import ProgressPrinter
from pixelrec.training.interruption import Interruption

POLL = 0.1  # seconds


@final
class Runner:
    """Runs the cells that are not done, `jobs` at a time; calls `changed` when one has finished or failed."""

    def __init__(
        self, grid: Grid, jobs: int, progress: ProgressPrinter, changed: Callable[[], object]
    ) -> None:
        self.grid, self.jobs, self.progress, self.changed = grid, jobs, progress, changed
        self.left = [cell for cell in grid.in_turn() if cell.state(grid.split) != "done"]
        self._clear_locks()
        self.running: list[CellProcess] = []
        self.elsewhere: set[str] = set()  # cells that were seen locked by other processes

    def run(self) -> int | None:
        """Works until nothing is left or a signal arrives, which is returned.

        Raises `RunError` if meanwhile another process began a cell with another recipe.
        """
        try:
            with Interruption() as interruption:
                while (self.left or self.running) and not interruption.requested:
                    self._start_some()
                    self._collect_finished()
                    self.progress.watch([process.cell for process in self.running])
                    sleep(POLL)
                if interruption.requested:
                    self._stop()
            return interruption.signal
        finally:
            self.progress.clear()
            for process in self.running:
                process.kill()
                process.close()

    def _clear_locks(self) -> None:
        """Removes the lock files of killed processes that had done their cell."""
        for cell in self.grid.in_turn():
            if cell not in self.left and cell.lock_file.exists() and (lock := cell.lock()):
                lock.release()

    def _start_some(self) -> None:
        for cell in list(self.left):
            if len(self.running) >= self.jobs:
                return
            self._start(cell)
        if self.left and not self.running:
            self.progress.wait_for(self.left)

    def _start(self, cell: Cell) -> None:
        """Starts a cell unless another process has locked it or has just finished it."""
        lock = cell.lock()
        if lock is None:
            self.elsewhere.add(cell.name)
            return
        self.left.remove(cell)
        state = cell.state(self.grid.split)
        if state == "done" or (state == "failed" and cell.name in self.elsewhere):
            lock.release()
            self._report(cell)
            return
        try:
            cell.check(self.grid.dataset)  # another process may have begun it with another recipe
        except RunError:
            lock.release()
            raise
        folder = self.grid.dataset.folder
        self.running.append(CellProcess(cell, lock, folder, self.grid.split, self.jobs))

    def _collect_finished(self) -> None:
        for process in [process for process in self.running if process.is_over()]:
            reason = process.failure()
            if reason is None and process.cell.state(self.grid.split) != "done":
                reason = "its process succeeded, but its results are gone"
            if reason is not None:
                process.cell.fail(reason)
            self.running.remove(process)
            process.close()
            self._report(process.cell)

    def _report(self, cell: Cell) -> None:
        self.progress.report(cell)
        self.changed()

    def _stop(self) -> None:
        """Makes all processes save and stop; cells that finish in doing so count."""
        self.progress.stop_for([process.cell for process in self.running])
        for process in self.running:
            process.interrupt()
        while not all(process.is_over() for process in self.running):
            sleep(POLL)
        while self.running:
            process = self.running.pop(0)
            process.close()
            if process.cell.state(self.grid.split) == "done":
                self._report(process.cell)
