"""The factor of the learning rate as a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "cosine", "linear"]


def lr_factor(step: int, steps: int, warmup: int, schedule: Schedule) -> float:
    """The factor of the peak rate at `step` (0, 1, …) of `steps`, after `warmup` steps of linear rise.

    `cosine` and `linear` fall to 0 at the last step; `constant` stays.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    passed = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 1.0 - passed if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * passed))
