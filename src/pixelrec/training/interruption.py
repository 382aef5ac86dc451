"""Ctrl-C and SIGTERM end training after the current step instead of in the middle of it."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import Self, final

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@final
class Interruption:
    """While entered, the first signal is only recorded; a second one has its usual effect."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        with suppress(ValueError):  # only the main thread can install signal handlers
            self._previous = {s: signal.signal(s, self._record) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}

    def _record(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self.__exit__()

    @property
    def requested(self) -> bool:
        return self.signal is not None
