"""The process that works on one cell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, final

from pixelrec.choices import Split
from pixelrec.files.lock import Lock
from pixelrec.grid.cell import Cell

LONGEST = 400  # characters of a failure's reason


@final
class CellProcess:
    """A running `python -m pixelrec.grid.child`.

    It is in a process group of its own: Ctrl-C in the terminal reaches the runner alone, which passes it on.
    It inherits the lock of the cell, which stays locked if the runner dies. data, split, jobs: as in
    `child.work`.
    """

    ENCODING: ClassVar = {"PYTHONIOENCODING": "utf-8:backslashreplace"}  # of the log, whatever the locale is

    def __init__(self, cell: Cell, lock: Lock, data: Path, split: Split, jobs: int) -> None:
        self.cell, self._lock = cell, lock
        cell.failure_file.unlink(missing_ok=True)
        with cell.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pixelrec.grid.child"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.ENCODING, "OMP_NUM_THREADS": str(threads(jobs))},
                pass_fds=(lock.descriptor,),
                process_group=0,
                encoding="utf-8",
            )
        order = {
            "recipe": cell.recipe.name,
            "values": cell.recipe.values,
            "folder": str(cell.folder),
            "data": str(data),
            "split": split,
            "jobs": jobs,
        }
        with suppress(BrokenPipeError):  # already dead: `failure` gives its exit status
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def interrupt(self) -> None:
        """Makes it finish the step, save and stop."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once and waits for its end."""
        self._process.kill()
        self._process.wait()

    def failure(self) -> str | None:
        """The reason in one line if the finished process failed, else None."""
        code = self._process.returncode
        if code == 0:
            return None
        number = -code if code < 0 else code - 128
        with suppress(ValueError):
            name = signal.Signals(number).name
            why = ": perhaps memory ran out" if number == signal.SIGKILL else ""
            return f"its process was ended by {name}{why}"
        with self.cell.log.open("rb") as log:
            log.seek(self._log_start)
            lines = [line.strip() for line in log.read().decode(errors="replace").split("\n")]
        return next(
            (line[:LONGEST] for line in reversed(lines) if line), f"its process ended with status {code}"
        )

    def close(self) -> None:
        """Unlocks the cell."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._lock.release()


def threads(jobs: int) -> int:
    """Threads of each of `jobs` processes: an equal part of the cores, at most OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    most = int(wanted) if wanted.isdecimal() and int(wanted) else cores
    return min(max(cores // jobs, 1), most)
