"""The first fault of a CSV text: a slow search, line by line, for texts that were refused."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import NamedTuple

from pixelrec.choices import TimeUnit
from pixelrec.data.timestamps import wrong_time


class Fault(NamedTuple):
    line: int  # from 0
    what: str


def first_fault(
    body: bytes, header: list[str], ids: Sequence[int], time: int | None, unit: TimeUnit | None = "s"
) -> Fault | None:
    """The first line that is no UTF-8, no CSV, not as wide as the header, or lacks an id or a usable time.

    Args:
        body: whole lines, without the header.
        ids: places of columns that must not be empty.
        time: place of the column that must hold a time; none where there is no such column.
        unit: what numbers there count; none where they are dates.
    """
    text, undecodable = _decode(body)
    lines, line = text.split("\n"), 0
    records = csv.reader((each + "\n" for each in lines), strict=True)
    try:
        for fields in records:
            what = _wrong_record(fields, header, ids, time, unit) if fields else None
            # Python's reader takes a quote inside an unquoted field as it is, Polars refuses it.
            if not what and sum(text.count('"') for text in lines[line : records.line_num]) % 2:
                what = 'an odd number of quotes ("); quote the field and double the quotes in it'
            if what:
                return Fault(line, what)
            line = records.line_num
    except csv.Error as error:
        return undecodable or Fault(line, f"not readable as CSV ({error}); mend its quotes")
    return undecodable


def _decode(body: bytes) -> tuple[str, Fault | None]:
    """The text up to the first line that is no UTF-8, and the fault of that line."""
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError as error:
        begin = body.rfind(b"\n", 0, error.start) + 1
        place = f"byte 0x{body[error.start]:02x} at place {error.start - begin + 1}"
        what = f"{place} is not UTF-8; save the file as UTF-8"
        return body[:begin].decode("utf-8"), Fault(body.count(b"\n", 0, begin), what)


def _wrong_record(
    fields: list[str], header: list[str], ids: Sequence[int], time: int | None, unit: TimeUnit | None
) -> str | None:
    if len(fields) != len(header):
        return f"{len(fields)} fields, but the header has {len(header)}; quote fields that hold commas"
    for place in ids if time is None else (*ids, time):
        if not fields[place]:
            return f"{header[place]} is empty; fill it in or remove the line"
    return None if time is None else wrong_time(header[time], fields[time], unit)
