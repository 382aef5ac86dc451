"""Timestamps of many kinds as whole unix seconds.

An event's time is stored as the unix second it falls in. A `fraction` in [0, 1) of finer times is kept until
the events are ordered, so that no order is lost.
"""

from __future__ import annotations

import math
import re
from datetime import date

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.errors import option

PER_SECOND: dict[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
FIRST, LAST = -62_135_596_800, 253_402_300_799  # the years 1 and 9999
_DAY = 86_400
_NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SMALL = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)  # fit into Int64
_SHOWN = 40  # characters of a wrong value
# ISO 8601 and what databases make of it; without a distance from UTC it is UTC. The years 1000 to 8999.
_DATE = (
    r"(?P<day>[1-8][0-9]{3}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]+))?)?"
    r"(?: ?(?:Z|UTC|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3])(?::?(?P<minutes>[0-5][0-9]))?))?)?"
)
A_DATE = "ISO 8601 dates such as 2024-01-05, 2024-01-05 10:00:00 or 2024-01-05T10:00:00.5+01:00"


def expected(unit: TimeUnit) -> str:
    """The expected content of a column of timestamps, for messages."""
    return f"unix {'seconds' if unit == 's' else unit}"


def out_of_range(value: object, unit: TimeUnit) -> str:
    """A message: `value` is outside the years 1 to 9999, and its unit may be another."""
    finer = {"s": "ms", "ms": "us", "us": "ns"}.get(unit)
    hint = f"are they in {finer}? then pass {option('time_unit', finer)}" if finer else "mend the value"
    return f"{value} {expected(unit)} lie outside the years 1 to 9999; {hint}"


def number_of(text: str) -> float | None:
    """A finite number, with a decimal point; None for any other text."""
    if not _NUMBER.fullmatch(text):
        return None
    return number if math.isfinite(number := float(text)) else None


def unit_of(time: str | float) -> TimeUnit:
    """The coarsest unit in which a number lies within the years 1 to 9999; seconds for what is no number."""
    try:
        number = float(time)
    except ValueError:
        return "s"
    units: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")
    return next((unit for unit in units if FIRST <= number // PER_SECOND[unit] <= LAST), "s")


def is_date(text: str) -> bool:
    """Whether `seconds_of_dates` can read it."""
    found = re.fullmatch(_DATE, text)
    try:
        return found is not None and bool(date.fromisoformat(found["day"]))
    except ValueError:  # the 30th of February
        return False


def seconds_of_dates(texts: pl.Series) -> pl.DataFrame:
    """The same as `seconds_and_fraction`, of dates as text; null where a text is no date."""
    parts = texts.str.extract_groups(f"^{_DATE}$").struct.unnest()
    day = pl.col("day").str.to_date("%Y-%m-%d", strict=False).to_physical().cast(pl.Int64)
    hour, minute, second, hours, minutes = (
        pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hour", "minute", "second", "hours", "minutes")
    )
    ahead = pl.when(pl.col("sign") == "-").then(-1).otherwise(1) * (hours * 60 + minutes)  # of UTC
    frame = parts.select(
        seconds=day * _DAY + (hour * 60 + minute - ahead) * 60 + second,
        fraction=("0." + pl.col("fraction")).cast(pl.Float64).fill_null(0.0),
    )
    return frame if (frame["fraction"] != 0).any() else frame.drop("fraction")


def wrong_time(name: str, value: str, unit: TimeUnit | None) -> str | None:
    """A message on the text of a time that cannot be used; None if it can.

    Args:
        name: of the column.
        unit: of numbers; none where dates are expected.
    """
    shown = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    if not value:
        return f"{name} is empty; fill it in or remove the row"
    if unit is None:
        wrong = f"{name} {shown!r} is no date; expected {A_DATE}, as in the first row"
        return None if is_date(value) else wrong
    if is_date(value):
        told = f"expected {expected(unit)}, as in the first row"
        return f"{name} {value!r} is not a number but a date, and the two do not mix; {told}"
    if number_of(value) is None:
        return f"{name} {shown!r} is not a number; expected {expected(unit)}, or {A_DATE}"
    if not FIRST <= float(value) // PER_SECOND[unit] <= LAST:
        return f"{name} {out_of_range(shown, unit)}"
    return None


def seconds_of_text(texts: pl.Series, unit: TimeUnit | None) -> pl.DataFrame:
    """The same as `seconds_and_fraction`, of texts: numbers or, without `unit`, dates; others are null."""
    if unit is None:
        return seconds_of_dates(texts)
    numbers = texts.cast(pl.Int64, strict=False)
    if numbers.null_count():
        numbers = texts.cast(pl.Float64, strict=False)
        numbers = numbers.to_frame("x").select(pl.when(pl.col("x").is_finite()).then("x"))["x"]
    return seconds_and_fraction(numbers, unit)


def seconds_and_fraction(ticks: pl.Series, unit: TimeUnit) -> pl.DataFrame:
    """Splits numbers, dates or datetimes into `seconds` Int64 and `fraction` Float64.

    `fraction` is absent when all are whole. Datetimes without a time zone are taken as UTC.
    Seconds of times that are no number or out of range are null.
    """
    per_second = PER_SECOND[unit]
    if ticks.dtype == pl.Date:
        ticks, per_second = ticks.to_physical().cast(pl.Int64) * _DAY, 1
    elif isinstance(kind := ticks.dtype, pl.Datetime):
        ticks, per_second = ticks.to_physical(), PER_SECOND[kind.time_unit]
    elif isinstance(kind, pl.Decimal):
        ticks = ticks.cast(pl.Float64 if kind.scale else pl.Int128)
    if ticks.dtype.is_float():
        ticks = ticks.cast(pl.Float64)
    else:
        ticks = ticks.cast(pl.Int64 if ticks.dtype in _SMALL else pl.Int128, strict=False)
    return _split(ticks.rename("ticks"), per_second)


def _split(ticks: pl.Series, per_second: int) -> pl.DataFrame:
    """Of Int64, Int128 or Float64."""
    number = pl.col("ticks")
    whole = (number / per_second).floor() if ticks.dtype.is_float() else number // per_second
    frame = ticks.to_frame().with_columns(
        whole=number if ticks.dtype == pl.Int64 and per_second == 1 else whole
    )
    frame = frame.with_columns(
        seconds=pl.when(pl.col("whole").is_between(FIRST, LAST)).then("whole").cast(pl.Int64)
    )
    if ticks.dtype != pl.Int64 or per_second != 1:
        rest = (number - pl.col("whole") * per_second).cast(pl.Float64) / per_second
        frame = frame.with_columns(fraction=rest)
        if (frame["fraction"] != 0).any():
            return frame.select("seconds", "fraction")
    return frame.select("seconds")
