"""Timestamps of many kinds as whole unix seconds.

An event's time is stored as the unix second it falls in. A `fraction` in [0, 1) of finer times is kept until
the events are ordered, so that no order is lost.
"""

from __future__ import annotations

import re
from datetime import date

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.errors import option

PER_SECOND: dict[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
FIRST, LAST = -62_135_596_800, 253_402_300_799  # the years 1 and 9999
_DAY = 86_400
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


def seconds_and_fraction(ticks: pl.Series, unit: TimeUnit) -> pl.DataFrame:
    """Splits finite numbers, dates or datetimes into `seconds` Int64 and `fraction` Float64.

    `fraction` is absent when all are whole. Datetimes without a time zone are taken as UTC.
    Seconds out of range are null.
    """
    if ticks.dtype == pl.Date:
        ticks, per_second = ticks.to_physical().cast(pl.Int64) * _DAY, 1
    elif isinstance(kind := ticks.dtype, pl.Datetime):
        ticks, per_second = ticks.to_physical(), PER_SECOND[kind.time_unit]
    else:
        per_second = PER_SECOND[unit]
    if ticks.dtype.is_integer():
        whole = ticks if per_second == 1 else ticks // per_second
    else:
        whole = (ticks / per_second).floor()
    within = whole.is_between(FIRST, LAST)
    if not within.all():
        whole = whole.to_frame("whole").select(pl.when(within).then("whole"))["whole"]
    frame = pl.DataFrame({"seconds": whole.cast(pl.Int64)})
    rest = None if whole is ticks else (ticks - whole * per_second) / per_second
    if rest is not None and (rest != 0).any():
        frame = frame.with_columns(fraction=rest.cast(pl.Float64))
    return frame
