"""Ctrl-C and SIGTERM end training at the next step, not in the middle of one."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self, final

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@final
class Interruption:
    """While entered, the first signal is noted and the second one acts as usual."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        with suppress(ValueError):  # signals belong to the main thread; in another one, nobody interrupts
            self._before = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    @property
    def requested(self) -> bool:
        return self.signal is not None
