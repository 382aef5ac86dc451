"""Scales of axes: from values to places on a canvas, and the round values that get a tick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Tick:
    at: float  # x or y
    label: str


@final
@dataclass(frozen=True)
class Scale:
    """Maps `low` … `high` to `start` … `stop`, in user units."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return round(self.start + (value - low) / (high - low or 1.0) * (self.stop - self.start), 1)

    def ticks(self, values: list[float]) -> list[Tick]:
        """Ticks at those values that lie within the scale."""
        return [Tick(self(value), short_number(value)) for value in values if self.low <= value <= self.high]


def linear_steps(low: float, high: float, *, most: int, whole: bool = False) -> list[float]:
    """Round numbers from below `low` to above `high`, at most `most` and two more."""
    span = high - low or abs(high) or 1.0
    rough = span / (most - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(start, max(stop, start + 1) + 1)]


def logarithmic_steps(low: float, high: float) -> list[float]:
    """Powers of ten within `low` … `high`, and multiples of them where those are few."""
    factors = range(1, 10) if high < 8 * low else (1, 2, 5) if high < 50 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step for power in powers for step in (f * 10.0**power for f in factors) if low <= step <= high]


def short_number(value: float) -> str:
    """0.05, 1, 2.5, 1,000."""
    return f"{value:,.0f}" if value >= 1 and value == round(value) else f"{value:.6g}"
