"""The log of a server, on standard error: a line for each request, and errors of pixelrec itself.

A line has the template of the route, never ids: logs are kept longer and seen by more people than requests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from traceback import format_exception
from typing import final

from pixelrec.choices import LogForm


@final
class Log:
    def __init__(self, form: LogForm = "off") -> None:
        self._form = form

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        if self._form == "off":
            return
        values = {"method": method, "route": route, "status": status, "ms": round(1e3 * seconds, 2)}
        self._write(values, f"{method} {route} {status} {values['ms']} ms")

    def error(self, error: Exception) -> None:
        """What should not have happened, with its traceback."""
        trace = "".join(format_exception(error)).rstrip()
        self._write({"level": "error", "error": trace}, trace)

    def _write(self, values: Mapping[str, object], text: str) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, **values}) if self._form == "json" else f"{time} {text}"
        with suppress(OSError, ValueError, AttributeError):  # nobody reads it, or there is no such stream
            print(line, file=sys.stderr, flush=True)
