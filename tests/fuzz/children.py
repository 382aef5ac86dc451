"""Commands of pixelrec in forked children, with a limit of time and of memory, and how each ends.

The parent has imported everything, so that a command takes as long as its work. It never works itself: the
threads of Polars and PyTorch would not survive the fork.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO, final

import peft  # noqa: F401  # imported before the first fork, as all that follows
import polars  # noqa: F401
import tensorboard  # noqa: F401
import torch._dynamo
import transformers.modeling_utils  # noqa: F401

import pixelrec.grid.child
import pixelrec.items.pixels
import pixelrec.recipe.schema
import pixelrec.runs.report  # noqa: F401
from pixelrec.cli.main import INTERNAL, main

UNPREPARED = 97  # the exit status of a child whose preparation failed
MEMORY = 6 << 30  # bytes of address space
SECONDS = 20.0
LINES = frozenset({1, 2, 3, 4, 129, 130, 138, 143})  # exit statuses that come with a line

torch.set_num_threads(1)
gc.freeze()  # a collection in a child would copy every page
Work = Callable[[], object]


@final
@dataclass(frozen=True)
class Outcome:
    """How a command ended. status: negative for a signal; none if it was still running at the limit."""

    status: int | None
    out: str
    err: str

    @property
    def kind(self) -> str:
        if self.status is None:
            return "hang"
        if self.status < 0:
            return "signal"
        if self.status == UNPREPARED:
            return "not possible"
        if "Traceback (most recent call last)" in self.err:
            return "traceback"
        if self.status == INTERNAL:
            return "status 70"
        if self.status == 0:
            return "accepted"
        spoken = [line for line in self.err.splitlines() if line.strip()]
        return "refused" if self.status in LINES and spoken and "pixelrec: " in spoken[-1] else "no line"

    @property
    def line(self) -> str:
        """The last line on standard error."""
        return next((line for line in reversed(self.err.splitlines()) if line.strip()), "")


@final
class Child:
    """A command that runs in a process group of its own, in `folder`."""

    def __init__(
        self,
        words: Sequence[object],
        folder: Path,
        *,
        before: Work | None = None,
        memory: int = MEMORY,
    ) -> None:
        self._streams = [os.memfd_create("out"), os.memfd_create("err")]
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            _work([str(word) for word in words], folder, self._streams, before, memory)
        with suppress(OSError):
            os.setpgid(self.pid, self.pid)

    def kill(self, number: int = signal.SIGKILL, *, group: bool = True) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number) if group else os.kill(self.pid, number)

    def wait(self, seconds: float = SECONDS) -> Outcome:
        until = time.monotonic() + seconds
        pause, status = 0.001, None
        while status is None:
            done, code = os.waitpid(self.pid, os.WNOHANG)
            if done:
                status = os.waitstatus_to_exitcode(code)
            elif time.monotonic() > until:
                self.kill()
                os.waitpid(self.pid, 0)
                break
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, 0.02)
        return Outcome(status, *map(_text, self._streams))


def run(words: Sequence[object], folder: Path, seconds: float = SECONDS, **options: object) -> Outcome:
    return Child(words, folder, **options).wait(seconds)  # type: ignore[arg-type]


def in_child(work: Work, seconds: float = 120) -> None:
    """Runs a function that uses Polars or PyTorch."""
    child = Child([], Path.cwd(), before=lambda: (work(), _leave(0)))
    ended = child.wait(seconds)
    if ended.status != 0:
        raise RuntimeError(ended.err or f"ended with {ended.status}")


def _work(words: list[str], folder: Path, streams: list[int], before: Work | None, memory: int) -> NoReturn:
    status = 1
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        for own, stream in zip((1, 2), streams, strict=True):
            os.dup2(stream, own)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if before is not None:
            _prepare(before)
        sys.stdout, sys.stderr = map(_stream, (1, 2))
        status = main(words)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        with suppress(BaseException):
            traceback.print_exc()
    finally:  # whatever happens, a child never returns to the work of its parent
        _leave(status)


def _stream(descriptor: int) -> TextIO:
    """As a process of its own would have it at its start: none if it is closed."""
    try:
        return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    except OSError:
        return None  # type: ignore[return-value]


def _prepare(before: Work) -> None:
    try:
        before()
    except BaseException:  # Polars panics with one
        traceback.print_exc()
        _leave(UNPREPARED)


def _leave(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(status)


def _text(stream: int) -> str:
    size = os.lseek(stream, 0, os.SEEK_END)
    found = os.pread(stream, min(size, 1 << 20), 0).decode("utf-8", errors="replace")
    os.close(stream)
    return found
