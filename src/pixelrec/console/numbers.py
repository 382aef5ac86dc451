"""Numbers as they are written in every table."""

from __future__ import annotations

import math

DASH = "–"


def percent(fraction: float, digits: int = 2) -> str:
    """0.1234 → "12.34"; a dash where there is no number."""
    return f"{100 * fraction:.{digits}f}" if math.isfinite(fraction) else DASH


def signed(fraction: float) -> str:
    """0.1234 → "+12.34", with a true minus."""
    return f"{100 * fraction:+.2f}".replace("-", "−") if math.isfinite(fraction) else DASH


def short(number: float) -> str:
    """Three digits, which is all that a time is good for: 0.123, 1.23, 12.3, 123, 1,234."""
    if not math.isfinite(number):
        return DASH
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """0.1 s, 12.3 s, 4.56 min, 6.78 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{short(seconds / size)} {unit}"
    return f"{seconds:.1f} s"


def with_prefix(number: float, unit: str = "B") -> str:
    """1234567 → "1.23 MB"; a kB is 1000 bytes. With an empty unit, "1.23 M"."""
    if not math.isfinite(number):
        return DASH
    for power, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{short(number / power)} {prefix}{unit}"
    return f"{short(number)} {unit}".strip()


def plural(count: int, noun: str) -> str:
    """1 seed, 2,000 seeds, 2 passes."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"
