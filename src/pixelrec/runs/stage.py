"""One training, from its start or its saved state on, in a folder with `best`, `last` and a journal."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from pixelrec.errors import StoppedError
from pixelrec.runs.validate import sharded_catalogue
from pixelrec.training.interruption import Interruption
from pixelrec.training.journal import Journal
from pixelrec.training.loop import Parts, fit, validate_start
from pixelrec.training.state import Progress


def run_stage(
    parts: Parts,
    folder: Path,
    progress: Progress,
    console: Console,
    how: str,
    *,
    from_start: bool,
    spent: Mapping[str, float] | None = None,
    least: float = -math.inf,
) -> None:
    """Trains from `progress` to the end; raises `StoppedError` after a signal, and `how` continues.

    from_start: whether the weights before the first step are the best until an epoch is better; `spent`
    and `least` are as in `validate_start`.
    """
    journal = None
    if parts.processes.leads:
        journal = Journal(folder, progress.validated, parts.config.monitor, console)
    try:
        if from_start and progress.best is None:
            validate_start(parts, folder, journal, progress, spent or {}, least)
        if parts.bank and parts.recommender.bank is None:
            parts.recommender.bank = sharded_catalogue(parts.recommender, parts.processes).encoded
        with Interruption() as interruption:
            fit(parts, folder, journal, progress, interruption)
    finally:
        if journal is not None:
            journal.close()
    parts.processes.wait()  # a process that exits early would break the connection of the others
    if not progress.finished:
        # Without a signal of its own, this process stopped because another one got one.
        raise StoppedError(interruption.signal or signal.SIGTERM, how)
