"""One attempt at a cell, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import final

from pixelrec.grid.cell import Cell
from pixelrec.grid.child import Order

LONGEST = 400  # characters of a reason


@final
class Attempt:
    """A process that works on a cell.

    It is out of reach of the terminal's Ctrl-C, so that it hears of it from the runner alone, and once.

    Args:
        cell: which one.
        lock: the descriptor that holds it; the process inherits it, and holds the cell if the runner dies.
        order: what is to be done.
    """

    def __init__(self, cell: Cell, lock: int, order: Order) -> None:
        self.cell, self._lock = cell, lock
        cell.forget_failure()
        with cell.log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pixelrec.grid.child"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(threads(order.jobs))},
                pass_fds=(lock,),
                process_group=0,
                text=True,
            )
        with suppress(BrokenPipeError):  # it has died already; its exit status tells
            assert self._process.stdin is not None
            self._process.stdin.write(order.to_line())
            self._process.stdin.flush()

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def interrupt(self) -> None:
        """Asks it to finish the step, save and stop."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.wait()

    def failure(self) -> str | None:
        """Why it failed, in a line, once it is over; none if it did not."""
        code = self._process.returncode
        if code == 0:
            return None
        number = -code if code < 0 else code - 128
        with suppress(ValueError):
            name = signal.Signals(number).name
            why = ": perhaps memory ran out" if number == signal.SIGKILL else ""
            return f"its process was ended by {name}{why}"
        return _last_line(self.cell.log, self._said_before) or f"its process ended with status {code}"

    def close(self) -> None:
        """Lets go of the cell."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        os.close(self._lock)


def threads(jobs: int) -> int:
    """That each of so many processes computes with: its share of the cores, or fewer if the user says so."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    share = max(cores // jobs, 1)
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(wanted)) if wanted.isdecimal() and int(wanted) else share


def _last_line(log: Path, start: int) -> str | None:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip()[:LONGEST] for line in reversed(lines) if line.strip()), None)
