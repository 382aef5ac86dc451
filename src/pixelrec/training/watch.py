"""When training saves or stops."""

from __future__ import annotations

import math
from time import monotonic
from typing import final

from pixelrec.training.interruption import Interruption
from pixelrec.training.processes import Processes

AGREE_EVERY = 16  # steps between two agreements of several processes, at most
GO_ON, SAVE, STOP = range(3)


@final
class Watch:
    """Decides after which step training saves or stops, the same in every process.

    Several processes agree once in `AGREE_EVERY` steps, or about every second if steps are slow: on the
    leader's clock for saving, on a signal to any of them for stopping.
    """

    def __init__(self, processes: Processes, save_minutes: float, interruption: Interruption) -> None:
        self.processes, self.interruption = processes, interruption
        self.seconds = 60 * save_minutes or math.inf
        self.agreed, self.steps, self.interval = monotonic(), 0, 1
        self.saved()

    def saved(self) -> None:
        """The state has been saved: the time to the next save starts now."""
        self.due = monotonic() + self.seconds

    def after_step(self) -> int:
        """`GO_ON`, `SAVE`, or `STOP`, which includes saving."""
        self.steps += 1
        return self.now() if self.steps >= self.interval else GO_ON

    def now(self) -> int:
        """The same, agreed upon at once; every process calls it after the same step."""
        action = STOP if self.interruption.requested else GO_ON
        if self.processes.count == 1:
            return SAVE if action == GO_ON and monotonic() >= self.due else action
        interval = 0
        if self.processes.leads:
            action = max(action, SAVE if monotonic() >= self.due else GO_ON)
            rate = max(self.steps, 1) / max(monotonic() - self.agreed, 1e-9)
            interval = min(max(int(rate), 1), AGREE_EVERY)
        action, self.interval = self.processes.maxima([action, interval])
        self.agreed, self.steps = monotonic(), 0
        return action
