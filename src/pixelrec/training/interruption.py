"""Signals that end the work: training saves after the current step, anything else stops at once, in one line.

Ctrl-C, `docker stop` and SLURM's end of a job (SIGTERM), a lost terminal (SIGHUP) and SLURM's warning before
the end (SIGUSR1) are treated alike. A signal that was ignored at the start, as by `nohup`, stays ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self, final

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
Handler = Callable[[int, FrameType | None], object]


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, each of these signals raises a `KeyboardInterrupt` of its number.

    Without a handler they would end the process with its drafts left behind; and the first process of a
    container would not notice them.
    """
    previous = _install(_interrupt)
    try:
        yield
    finally:
        _restore(previous)


@final
class Interruption:
    """While entered, the first signal is only recorded; a second one has its usual effect."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, Handler | int] = {}
        self._at_once = False

    def __enter__(self) -> Self:
        self._previous = _install(self._record)
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._previous)
        self._previous = {}

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it, the first signal raises a `KeyboardInterrupt` too: the work need not be finished."""
        self._at_once = True
        try:
            if self.signal is not None:
                _interrupt(self.signal)
            yield
        finally:
            self._at_once = False

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self.__exit__()
        if self._at_once:
            _interrupt(number, frame)

    @property
    def requested(self) -> bool:
        return self.signal is not None


def _interrupt(number: int, _frame: FrameType | None = None) -> None:
    raise KeyboardInterrupt(number)


def _install(handler: Handler) -> dict[int, Handler | int]:
    """Handles the signals; those handled so far, and how."""
    previous: dict[int, Handler | int] = {}
    with suppress(ValueError):  # only the main thread can install signal handlers
        for number in SIGNALS:
            before = signal.getsignal(number)
            if before is not None and before is not signal.SIG_IGN:  # None: it belongs to a library in C
                signal.signal(number, handler)
                previous[number] = before
    return previous


def _restore(previous: dict[int, Handler | int]) -> None:
    for number, handler in previous.items():
        signal.signal(number, handler)
