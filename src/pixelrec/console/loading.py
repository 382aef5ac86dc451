"""A sign of life on a terminal while libraries are loaded, which takes seconds; without any of them."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from typing import Self, final

PATIENCE = 1.0  # seconds until it is shown


@final
class LoadingLine:
    """ "loading …" on standard error, if it is a terminal, until `over` is called or the block ends."""

    def __init__(self) -> None:
        self._timer = Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._shown = self._over = False
        self._lock = Lock()

    def __enter__(self) -> Self:
        if sys.stderr is not None and sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over()

    def over(self) -> None:
        """Something else is printed now."""
        if not self._over:
            self._timer.cancel()
            self._write("\r\x1b[2K", last=True)

    def _show(self) -> None:
        self._write("loading …\r", last=False)

    def _write(self, text: str, *, last: bool) -> None:
        with self._lock:
            if not self._over and self._shown == last:
                print(text, end="", file=sys.stderr, flush=True)
            self._shown, self._over = True, self._over or last
