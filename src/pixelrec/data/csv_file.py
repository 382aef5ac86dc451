"""CSV files, 64 MiB at a time: Polars parses; lines it refuses are searched for the first fault."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, NamedTuple

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.data.columns import Columns, find_columns
from pixelrec.data.csv_faults import first_fault
from pixelrec.data.file_kinds import HEAD, recognised
from pixelrec.data.parts import Part
from pixelrec.data.timestamps import is_date, seconds_and_fraction, seconds_of_dates
from pixelrec.errors import DataError, first_line

BLOCK = 64 * 2**20  # bytes parsed at a time
BLOCK_COLUMNS = ("seconds", "fraction", "item", "user")  # of the frames that are read; fraction perhaps
LINE = 2**20  # bytes of the longest line that is read
_RECORD = 64 * 2**20  # bytes of the longest record, which may hold line ends in quotes
_GZIP, _BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"\n(?:\r?\n)+")


@dataclass(frozen=True)
class _Layout:
    """The places of the wanted columns in a CSV file."""

    path: Path
    header: list[str]
    ids: tuple[int, ...]  # of columns that must not be empty
    time: int | None = None
    unit: TimeUnit | None = None  # of times that are numbers; none: they are dates


class _Block(NamedTuple):
    """Whole lines of a CSV file, and the number of the first one, from 1."""

    body: bytes
    line: int


def read_csv_blocks(part: Part, columns: Columns) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String), `seconds` and perhaps `fraction`.

    The first line decides whether times are numbers or dates.

    Raises:
        DataError: naming the line of the first thing that cannot be used.
    """
    with opened(part.path) as stream:
        header = read_header(part.path, stream)
        names, added = part.find(header, columns)
        item, user, time = (None if name is None else header.index(name) for name in names)
        ids = {key: place for key, place in (("item", item), ("user", user)) if place is not None}
        layout = None
        for block in _blocks(part.path, stream):
            if layout is None:
                unit = None if time is None or _begins_with_date(block, time) else columns.time_unit
                layout = _Layout(part.path, header, tuple(ids.values()), time, unit)
            table = _parse(layout, block)
            if table is not None:
                given = table.with_columns(**{key: pl.col(str(place)) for key, place in ids.items()}, **added)
                yield given.select(name for name in BLOCK_COLUMNS if name in given.columns)


def read_csv_table(path: Path, id_column: str) -> pl.DataFrame:
    """All columns of a file as text; a `DataError` names the line of the first fault."""
    with opened(path) as stream:
        header = read_header(path, stream)
        (id_column,) = find_columns(path, header, {"items_id_column": id_column})
        if double := next((name for name in header if header.count(name) > 1), None):
            raise DataError(f"{path}: the header names column {double!r} twice; rename or remove one")
        layout = _Layout(path, header, (header.index(id_column),))
        tables = [table for block in _blocks(path, stream) if (table := _parse(layout, block)) is not None]
    empty = pl.DataFrame(schema=dict.fromkeys(map(str, range(len(header))), pl.String))
    table = pl.concat([empty, *tables])
    return table.rename(dict(zip(table.columns, header, strict=True)))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a CSV file, inflated if it is gzip-compressed; a `DataError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.peek(2)[:2] == _GZIP
        if path.suffix.lower() == ".gz" and not zipped:
            raise DataError(
                f"{path}: named .gz, but not gzip-compressed; compress it with gzip, or rename it to .csv"
            )
        with gzip.open(path) if zipped else path.open("rb") as stream:
            yield stream  # type: ignore[misc]  # GzipFile reads bytes too
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip file is cut off or damaged ({error}); write or download it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_header(path: Path, stream: IO[bytes]) -> list[str]:
    """Names of the columns; leaves `stream` at the second line; a `DataError` if there is no header."""
    head: bytes = stream.peek(HEAD)[:HEAD]  # type: ignore[attr-defined]
    if kind := recognised(head):
        raise DataError(f"{path}: is {kind}")
    if b"\0" in head:
        raise DataError(f"{path}: holds zero bytes, so it is no text; expected CSV in UTF-8")
    line = stream.readline(LINE + 1).removeprefix(_BOM)
    if len(line) > LINE:
        raise _too_long(path, 1)
    if not line.strip():
        raise DataError(
            f"{path}: the file is empty; expected a header line and one line for each interaction"
        )
    try:
        return next(csv.reader([line.decode("utf-8").rstrip("\r\n")], strict=True))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line 1: byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path}, line 1: the header is not CSV ({error}); mend its quotes and line ends"
        ) from error


def _blocks(path: Path, stream: IO[bytes]) -> Iterator[_Block]:
    line, carry = 2, b""
    while data := stream.read(BLOCK):
        data = carry + data
        if b"\r\r\n" in data:  # Windows line ends that were written as text once more
            data = data.replace(b"\r\r\n", b"\n")
        _refuse_long_lines(path, data, line)
        end = _end_of_lines(data)
        carry = data[end:]
        if len(carry) > _RECORD:
            number = line + data.count(b"\n", 0, end)
            raise DataError(
                f"{path}, line {number}: a quote is not closed within {_RECORD >> 20} MiB; mend it"
            )
        if end:
            yield _Block(data[:end], line)
            line += data.count(b"\n", 0, end)
    if carry:
        yield _Block(carry, line)


def _refuse_long_lines(path: Path, data: bytes, line: int) -> None:
    """Raises a `DataError` for a line of more than `LINE` bytes; `line` is the number of the first."""
    start = 0
    while len(data) - start > LINE:
        end = data.rfind(b"\n", start, start + LINE + 1)
        if end < 0:
            raise _too_long(path, line + data.count(b"\n", 0, start))
        start = end + 1


def _too_long(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}, line {line}: is longer than {LINE >> 20} MiB; is it CSV? shorten or remove the line"
    )


def _begins_with_date(block: _Block, place: int) -> bool:
    """Whether the first line that is not blank has a date in that column."""
    text = block.body.lstrip(b"\r\n")[:LINE].decode("utf-8", errors="replace")
    try:
        return is_date(next(csv.reader(StringIO(text, newline="")))[place])
    except (StopIteration, IndexError, csv.Error):  # the fault is found when the block is parsed
        return False


def _end_of_lines(data: bytes) -> int:
    """The end of the last whole line; line ends inside quotes do not count."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        opening = data.rfind(b'"', 0, end)
        before = data.rfind(b"\n", 0, opening) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end


def _parse(layout: _Layout, block: _Block) -> pl.DataFrame | None:
    """A block's table, its columns named by their place, with `seconds` and perhaps `fraction` of times.

    Polars fills up short lines with nulls without a word: blocks that may hold one are searched line by line.

    Raises:
        DataError: naming the first fault.
    """
    quoted = b'"' in block.body
    body = block.body.lstrip(b"\r\n")
    if not quoted and (b"\n\n" in body or b"\n\r\n" in body):
        body = _BLANK_LINES.sub(b"\n", body)
    if not body:
        return None
    needed = [str(place) for place in layout.ids]
    try:
        table = _read_columns(layout, body)
        if layout.time is not None:
            times = table[str(layout.time)]
            needed += [times.name, "seconds"]
            table = table.hstack(
                seconds_of_dates(times) if layout.unit is None else seconds_and_fraction(times, layout.unit)
            )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        last, reason = block.line + block.body.count(b"\n") - 1, first_line(error)
        why = f"lines {block.line} to {last}: not readable as CSV ({reason})"
        raise _fault(layout, block) or DataError(f"{layout.path}, {why}") from error
    if not _suspect(layout, table.select(needed), table[str(len(layout.header) - 1)], body, quoted):
        return table
    if fault := _fault(layout, block):
        raise fault
    return table.drop_nulls(needed)  # blank lines among quoted ones became nulls


def _read_columns(layout: _Layout, body: bytes) -> pl.DataFrame:
    """Columns named by their place; times are Int64 where possible, else Float64, and dates String.

    All columns are read, as Polars overlooks lines that are too long where it may leave columns out.
    """
    schema: dict[str, type[pl.DataType]] = {str(place): pl.String for place in range(len(layout.header))}
    if layout.unit is None:
        return pl.read_csv(body, has_header=False, schema=schema)
    try:
        return pl.read_csv(body, has_header=False, schema={**schema, str(layout.time): pl.Int64})
    except pl.exceptions.ComputeError:
        return pl.read_csv(body, has_header=False, schema={**schema, str(layout.time): pl.Float64})


def _suspect(layout: _Layout, needed: pl.DataFrame, last: pl.Series, body: bytes, quoted: bool) -> bool:
    """Whether a line may lack a value or a field."""
    if any(needed[name].null_count() for name in needed.columns):
        return True
    if quoted:
        empty = any(bool((needed[str(place)] == "").any()) for place in layout.ids)
        return empty or last.null_count() > 0
    return body.count(b",") != needed.height * (len(layout.header) - 1)


def _fault(layout: _Layout, block: _Block) -> DataError | None:
    found = first_fault(block.body, layout.header, layout.ids, layout.time, layout.unit)
    return DataError(f"{layout.path}, line {block.line + found.line}: {found.what}") if found else None
