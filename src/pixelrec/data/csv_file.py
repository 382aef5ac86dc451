"""Interactions and other tables from text: Polars parses; lines it refuses are searched for a fault."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from pathlib import Path

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.columns import Columns, find_columns
from pixelrec.data.csv_faults import Layout, first_fault
from pixelrec.data.dialect import BY_LOOKING, Dialect, DialectOptions
from pixelrec.data.parts import Part
from pixelrec.data.text_table import LINE, Block, TextTable, opened_table
from pixelrec.data.timestamps import is_date, seconds_and_fraction, seconds_of_dates, unit_of
from pixelrec.errors import DataError, first_line, option

BLOCK_COLUMNS = ("seconds", "fraction", "rating", "split", "item", "user")  # of the frames that are read
_BLANK_LINES = re.compile(rb"\n(?:\r?\n)+")


def read_csv_blocks(
    part: Part, columns: Columns, options: DialectOptions, told: OnProgress
) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String), `seconds`, perhaps `fraction`, and perhaps `rating` (Float64).

    The first row decides whether times are numbers or dates.

    Args:
        part: the file.
        columns: what is wanted of it.
        options: what is known of its dialect.
        told: called with a line about what was found by looking.

    Raises:
        DataError: naming the line of the first thing that cannot be used.
    """
    with opened_table(part.path, options, columns.is_name) as table:
        if how := str(table):
            told(f"read as a table {how}")
        names, added = part.find(
            table.header, columns, () if table.dialect.header else table.first, _how(table, columns)
        )
        places = {key: table.header.index(name) for key, name in names.items()}
        ids = {key: places[key] for key in ("item", "user", "split") if key in places}
        layout = None
        for block in _told_end(table, told):
            if layout is None:
                unit = _unit(table, block, places.get("time"), columns, told)
                layout = Layout(
                    part.path,
                    table.dialect,
                    table.header,
                    tuple(ids.values()),
                    places.get("time"),
                    unit,
                    places.get("rating"),
                )
            parsed = _parse(layout, block)
            if parsed is not None:
                given = parsed.with_columns(**{key: pl.col(str(each)) for key, each in ids.items()}, **added)
                yield given.select(name for name in BLOCK_COLUMNS if name in given.columns)


def read_csv_table(
    path: Path, id_column: str, options: DialectOptions = BY_LOOKING, told: OnProgress = ignore
) -> pl.DataFrame:
    """All columns of a file with a column of ids as text; a `DataError` names the line of the first fault."""

    def find(table: TextTable) -> list[str]:
        first = () if table.dialect.header else table.first
        return find_columns(path, table.header, {"items_id_column": id_column}, first)

    return read_texts(path, Columns(item_column=id_column), find, options, told)


def read_texts(
    path: Path,
    columns: Columns,
    find: Callable[[TextTable], Sequence[str]],
    options: DialectOptions = BY_LOOKING,
    told: OnProgress = ignore,
) -> pl.DataFrame:
    """All columns of a file as text.

    Args:
        path: the file.
        columns: names that a header may have.
        find: the columns that must not be empty; it raises the error about those that are missing.
        options: what is known of its dialect.
        told: called with a line about what was found by looking.

    Raises:
        DataError: naming the line of the first fault.
    """
    with opened_table(path, options, columns.is_name) as table:
        if how := str(table):
            told(f"read as a table {how}")
        header, needed = table.header, find(table)
        if double := next((name for name in header if header.count(name) > 1), None):
            raise DataError(f"{path}: the header names column {double!r} twice; rename or remove one")
        layout = Layout(path, table.dialect, header, tuple(map(header.index, needed)))
        blocks = _told_end(table, told)
        tables = [parsed for block in blocks if (parsed := _parse(layout, block)) is not None]
    empty = pl.DataFrame(schema=dict.fromkeys(map(str, range(len(header))), pl.String))
    found = pl.concat([empty, *tables])
    return found.rename(dict(zip(found.columns, header, strict=True)))


def _told_end(table: TextTable, told: OnProgress) -> Iterator[Block]:
    """The blocks of a table; a last line without an end is told, as that of a file that was cut off."""
    for block in table.blocks:
        if last := block.body.rpartition(b"\n")[2].strip():
            text = last.decode("utf-8", "replace").replace(table.dialect.sign, table.dialect.separator)
            told(f"the last line, {text[:80]!r}, has no line end; it is read, but was the file cut off?")
        yield block


def _how(table: TextTable, columns: Columns) -> str:
    """How the table is read, for messages about columns; empty where it is plain CSV with known names."""
    how = f"as a table {table}" if str(table) else ""
    if table.dialect.header and not any(map(columns.is_name, table.header)):
        how = f"{how or 'as a table'} with names in its first line; otherwise give {option('header', 'no')}"
    return how


def _unit(
    table: TextTable, block: Block, place: int | None, columns: Columns, told: OnProgress
) -> TimeUnit | None:
    """The unit of times, by the first line that is not blank; none where it has a date."""
    if place is None:
        return None
    text = block.body.lstrip(b"\r\n")[:LINE].decode("utf-8", errors="replace")
    try:
        first = next(table.dialect.reader(StringIO(text, newline="")))[place]
    except (StopIteration, IndexError, csv.Error):  # the fault is found when the block is parsed
        return columns.time_unit or "s"
    number = first.replace(",", ".") if table.dialect.decimal == "," else first
    return None if is_date(first) else columns.time_unit or told_unit(number, told)


def told_unit(first: str | float, told: OnProgress) -> TimeUnit:
    """The unit of times by the size of the first; anything but seconds is told."""
    unit = unit_of(first)
    if re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", str(first)):
        told("times of 8 digits look like days, but are taken as seconds; write days as 2024-01-05")
    if unit != "s":
        told(
            f"times are taken as {unit}, by the size of the first; otherwise give {option('time_unit', 's')}"
        )
    return unit


def _parse(layout: Layout, block: Block) -> pl.DataFrame | None:
    """A block's table, its columns named by their place, with `seconds` and perhaps `fraction` of times.

    Polars fills up short lines with nulls without a word: blocks that may hold one are searched line by line.

    Raises:
        DataError: naming the first fault.
    """
    quote = layout.dialect.quote.encode()
    quoted = bool(quote) and quote in block.body
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
        if layout.rating is not None:
            needed.append("rating")
            table = table.with_columns(rating=_ratings(table[str(layout.rating)], layout.dialect))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        last, reason = block.line + block.body.count(b"\n") - 1, first_line(error)
        why = f"lines {block.line} to {last}: not readable as CSV ({reason})"
        raise _fault(layout, block) or DataError(f"{layout.path}, {why}") from error
    if not _suspect(layout, table.select(needed), table[str(len(layout.header) - 1)], body, quoted):
        return table
    if fault := _fault(layout, block):
        raise fault
    return table.drop_nulls(needed)  # blank lines among quoted ones became nulls


def _read_columns(layout: Layout, body: bytes) -> pl.DataFrame:
    """Columns named by their place; times are Int64 where possible, else Float64, and dates String.

    All columns are read, as Polars overlooks lines that are too long where it may leave columns out.
    """
    schema: dict[str, type[pl.DataType]] = {str(place): pl.String for place in range(len(layout.header))}

    def read(kind: type[pl.DataType]) -> pl.DataFrame:
        return pl.read_csv(
            body,
            has_header=False,
            schema=schema if layout.time is None else {**schema, str(layout.time): kind},
            separator=layout.dialect.sign,
            quote_char=layout.dialect.quote or None,
            decimal_comma=layout.dialect.decimal == ",",
        )

    if layout.unit is None:
        return read(pl.String)
    try:
        return read(pl.Int64)
    except pl.exceptions.ComputeError:
        return read(pl.Float64)


def _ratings(texts: pl.Series, dialect: Dialect) -> pl.Series:
    """Float64; null for what is no finite number."""
    numbers = texts if dialect.decimal == "." else texts.str.replace(",", ".", literal=True)
    found = numbers.cast(pl.Float64, strict=False).rename("x")
    return found.to_frame().select(pl.when(pl.col("x").is_finite()).then("x"))["x"]


def _suspect(layout: Layout, needed: pl.DataFrame, last: pl.Series, body: bytes, quoted: bool) -> bool:
    """Whether a line may lack a value or a field."""
    if any(needed[name].null_count() for name in needed.columns):
        return True
    if quoted:
        empty = any(bool((needed[str(place)] == "").any()) for place in layout.ids)
        return empty or last.null_count() > 0
    return body.count(layout.dialect.sign.encode()) != needed.height * (len(layout.header) - 1)


def _fault(layout: Layout, block: Block) -> DataError | None:
    found = first_fault(block.body, layout)
    return DataError(f"{layout.path}, line {block.line + found.line}: {found.what}") if found else None
