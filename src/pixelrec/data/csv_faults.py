"""The first fault of a CSV text: a slow search, line by line, for texts that were refused."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pixelrec.choices import TimeUnit
from pixelrec.data.dialect import MEND_ENCODING, Dialect
from pixelrec.data.timestamps import number_of, wrong_time
from pixelrec.errors import option


@dataclass(frozen=True)
class Layout:
    """The places of the wanted columns in a table."""

    path: Path
    dialect: Dialect
    header: list[str]
    ids: tuple[int, ...]  # of columns that must not be empty
    time: int | None = None
    unit: TimeUnit | None = None  # of times that are numbers; none: they are dates
    rating: int | None = None


class Fault(NamedTuple):
    line: int  # from 0
    what: str


def first_fault(body: bytes, layout: Layout) -> Fault | None:
    """The first line that is no UTF-8, no CSV, not as wide as the header, or lacks what is wanted of it.

    Args:
        body: whole lines, without the header, with one sign between fields.
        layout: where the ids, times and ratings are.
    """
    text, undecodable = _decode(body)
    lines, line, quote = text.split("\n"), 0, layout.dialect.quote
    records = layout.dialect.reader((each + "\n" for each in lines), strict=True)
    try:
        for fields in records:
            what = _wrong_record(fields, layout) if fields else None
            # Python's reader takes a quote inside an unquoted field as it is, Polars refuses it.
            if not what and quote and sum(each.count(quote) for each in lines[line : records.line_num]) % 2:
                what = (
                    f"an odd number of quotes ({quote}); quote the field and double the quotes in it, or "
                    f"take quotes as letters with {option('quote', 'none')}"
                )
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
        what = f"{place} is not UTF-8; {MEND_ENCODING}"
        return body[:begin].decode("utf-8"), Fault(body.count(b"\n", 0, begin), what)


def _wrong_record(fields: list[str], layout: Layout) -> str | None:
    header, dialect = layout.header, layout.dialect
    if len(fields) != len(header):
        has = "the header has" if dialect.header else "the first line has"
        mend = "quote fields that hold" if dialect.quote else "remove them from fields that hold"
        return f"{len(fields)} fields, but {has} {len(header)}; {mend} {dialect.separators}"
    for place in (*layout.ids, layout.time, layout.rating):
        if place is not None and not fields[place]:
            return f"{_named(layout, place)} is empty; fill it in or remove the line"
    if layout.rating is not None and number_of(_plain(fields[layout.rating], layout)) is None:
        return f"{_named(layout, layout.rating)} {fields[layout.rating][:40]!r} is not a number; mend it"
    if layout.time is None:
        return None
    text = fields[layout.time]
    wrong = wrong_time(_named(layout, layout.time), _plain(text, layout), layout.unit)
    if wrong and layout.unit and re.fullmatch(r"\d+,\d+", text):
        return f"{wrong}; for decimal commas, give {option('decimal', 'comma')}"
    return wrong


def _plain(number: str, layout: Layout) -> str:
    return number.replace(",", ".") if layout.dialect.decimal == "," else number


def _named(layout: Layout, place: int) -> str:
    return layout.header[place] if layout.dialect.header else f"column {layout.header[place]}"
