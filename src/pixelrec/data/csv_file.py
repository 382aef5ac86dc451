"""Interactions from CSV, 64 MiB at a time: Polars parses, a second look at what it refuses names the line."""

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
from typing import IO, TYPE_CHECKING

from pixelrec.choices import TimeUnit
from pixelrec.data.columns import Columns, check_columns
from pixelrec.data.csv_faults import first_fault
from pixelrec.data.timestamps import is_date, seconds_and_fraction, seconds_of_dates
from pixelrec.errors import DataError

if TYPE_CHECKING:
    import polars as pl

BLOCK = 64 * 2**20  # bytes parsed at a time
_LINE = 2**20  # bytes that a line may have
_GZIP, _BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"\n(?:\r?\n)+")


def is_csv(path: Path) -> bool:
    return path.name.lower().endswith((".csv", ".csv.gz"))


@dataclass(frozen=True)
class Layout:
    """Where the wanted columns stand in a CSV file."""

    path: Path
    header: list[str]
    item: int
    user: int
    time: int
    unit: TimeUnit | None  # of numbers; none: the first line has a date, and so must all


@dataclass(frozen=True)
class Block:
    """Whole lines of a CSV file."""

    body: bytes
    line: int  # of the file, from 1, that the body begins at


def read_csv_blocks(path: Path, columns: Columns) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String), `seconds` and perhaps `fraction`.

    Raises:
        DataError: naming the line of the first thing that cannot be used.
    """
    with opened(path) as stream:
        header = read_header(path, stream)
        check_columns(path, header, columns.roles)
        item, user, time = map(header.index, columns.roles.values())
        layout = None
        for block in _blocks(stream):
            if layout is None:
                unit = None if _begins_with_date(block, time) else columns.time_unit
                layout = Layout(path, header, item, user, time, unit)
            frame = _parse(layout, block)
            if frame.height:
                yield frame


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a CSV file, inflated where it is gzip-compressed; damage is named."""
    with path.open("rb") as file:
        zipped = file.peek(2)[:2] == _GZIP
    if path.suffix.lower() == ".gz" and not zipped:
        raise DataError(
            f"{path}: named .gz, but not gzip-compressed; compress it with gzip, or rename it to .csv"
        )
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            yield stream  # type: ignore[misc]  # GzipFile reads bytes too
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip file is cut off or damaged ({error}); write or download it anew"
        ) from error


def read_header(path: Path, stream: IO[bytes]) -> list[str]:
    """Names of the columns; leaves `stream` at the second line."""
    line = stream.readline(_LINE).removeprefix(_BOM)
    if not line.strip():
        raise DataError(
            f"{path}: the file is empty; expected a header line and one line for each interaction"
        )
    try:
        names = next(csv.reader([line.decode("utf-8").rstrip("\r\n")], strict=True))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line 1: byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path}, line 1: the header is not CSV ({error}); mend its quotes and line ends"
        ) from error
    return names


def _blocks(stream: IO[bytes]) -> Iterator[Block]:
    line, carry = 2, b""
    while data := stream.read(BLOCK):
        data = carry + data
        end = _end_of_lines(data)
        carry = data[end:]
        if end:
            yield Block(data[:end], line)
            line += data.count(b"\n", 0, end)
    if carry:
        yield Block(carry, line)


def _begins_with_date(block: Block, place: int) -> bool:
    """Whether the first line that is not blank has a date there."""
    text = block.body.lstrip(b"\r\n")[:_LINE].decode("utf-8", errors="replace")
    try:
        return is_date(next(csv.reader(StringIO(text, newline="")))[place])
    except (StopIteration, IndexError, csv.Error):  # what is wrong is found when the block is parsed
        return False


def _end_of_lines(data: bytes) -> int:
    """Where the last line that is whole ends: a line end inside quotes ends no line."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        opening = data.rfind(b'"', 0, end)
        before = data.rfind(b"\n", 0, opening) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end


def _parse(layout: Layout, block: Block) -> pl.DataFrame:
    """A block's events; whatever looks wrong is looked at line by line, and named."""
    import polars as pl

    quoted = b'"' in block.body
    body = block.body.lstrip(b"\r\n")
    if not quoted and (b"\n\n" in body or b"\n\r\n" in body):
        body = _BLANK_LINES.sub(b"\n", body)
    if not body:
        return pl.DataFrame({"item": [], "user": [], "seconds": []})
    try:
        table = _table(layout, body)
        events = _events(layout, table)
        suspect = _suspect(layout, table, body, quoted) or events["seconds"].null_count() > 0
    except pl.exceptions.PolarsError as error:
        raise _fault(layout, block) or _unexplained(layout, block, error) from error
    if suspect and (fault := _fault(layout, block)):
        raise fault
    return events.drop_nulls() if suspect else events  # blank lines among quoted ones became nulls


def _table(layout: Layout, body: bytes) -> pl.DataFrame:
    """Columns named by their place; times are Int64 where possible, else Float64, and dates String.

    All columns are read, as Polars overlooks lines that are too long where it may leave columns out.
    """
    import polars as pl

    schema: dict[str, type[pl.DataType]] = {str(place): pl.String for place in range(len(layout.header))}
    kinds = (pl.String,) if layout.unit is None else (pl.Int64, pl.Float64)
    for kind in kinds:
        schema[str(layout.time)] = kind
        try:
            return pl.read_csv(body, has_header=False, schema=schema)
        except pl.exceptions.ComputeError:
            if kind is kinds[-1]:
                raise
    raise AssertionError("unreachable")


def _events(layout: Layout, table: pl.DataFrame) -> pl.DataFrame:
    times = table[str(layout.time)]
    split = seconds_of_dates(times) if layout.unit is None else seconds_and_fraction(times, layout.unit)
    return split.with_columns(item=table[str(layout.item)], user=table[str(layout.user)])


def _suspect(layout: Layout, table: pl.DataFrame, body: bytes, quoted: bool) -> bool:
    """Whether a line may lack a value or a field. Polars fills up short lines with nulls and says nothing."""
    ids, last = [str(layout.item), str(layout.user)], str(len(layout.header) - 1)
    if any(table[name].null_count() for name in (*ids, str(layout.time))):
        return True
    if quoted:
        return table[last].null_count() > 0 or any(bool((table[name] == "").any()) for name in ids)
    return body.count(b",") != table.height * (len(layout.header) - 1)


def _fault(layout: Layout, block: Block) -> DataError | None:
    found = first_fault(block.body, layout.header, (layout.item, layout.user), layout.time, layout.unit)
    return DataError(f"{layout.path}, line {block.line + found.line}: {found.what}") if found else None


def _unexplained(layout: Layout, block: Block, error: Exception) -> DataError:
    last = block.line + block.body.count(b"\n") - 1
    reason = str(error).strip().split("\n")[0]
    return DataError(f"{layout.path}, lines {block.line} to {last}: not readable as CSV ({reason})")
