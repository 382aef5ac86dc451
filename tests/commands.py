"""The command line in processes of its own, forked from one that has everything imported.

A start takes milliseconds instead of the seconds that importing PyTorch takes; signals, kills and exit
statuses are those of real processes. Tests of what is imported, or of the installed script, start their own.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, final

import torch

from pixelrec.cli.main import main

PATIENCE = 300  # seconds that a busy machine may take
# The first step of an optimiser imports torch._dynamo, which takes longer than PyTorch itself.
PRELOADED = ["accelerate", "torch._dynamo", "torch.utils.tensorboard", "commands"]
PRELOADED += [
    f"pixelrec.{name}" for name in ("api.training", "cli.show", "recipe.schema", "runs.report", "runs.train")
]
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(PRELOADED)


class Ended(NamedTuple):
    status: int  # negative for a signal
    out: str
    err: str


@final
class Command:
    """`pixelrec WORDS`, or another program, running in a process group of its own."""

    def __init__(
        self,
        *words: object,
        environment: Mapping[str, str] | None = None,
        program: Callable[[Sequence[str]], int] = main,
    ) -> None:
        self._folder = TemporaryDirectory()
        streams = [Path(self._folder.name, name) for name in ("out", "err")]
        given = (program, [str(word) for word in words], streams, dict(environment or {}))
        self._process = FORKS.Process(target=_work, args=given)
        self._process.start()
        self._streams = streams

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_until(self, true: Callable[[], object]) -> None:
        """For a state on the disk, say; the command must not end before."""
        until = time.monotonic() + PATIENCE
        while not true():
            assert self._process.exitcode is None, self.end()
            assert time.monotonic() < until
            time.sleep(0.002)

    def end(self) -> Ended:
        self._process.join(PATIENCE)
        status = self._process.exitcode
        assert status is not None, "it is still running"
        out, err = (path.read_text(encoding="utf-8") for path in self._streams)
        self._folder.cleanup()
        return Ended(status, out, err)


def pixelrec(*words: object, status: int = 0) -> Ended:
    """Runs a command, which must end with `status`."""
    ended = Command(*words).end()
    assert ended.status == status, f"{words}: {ended.status}\n{ended.out}\n{ended.err}"
    return ended


def _work(
    program: Callable[[Sequence[str]], int],
    words: list[str],
    streams: list[Path],
    environment: Mapping[str, str],
) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(environment)
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
    torch.set_num_threads(1)
    sys.exit(program(words))
