"""Interactions and other tables from JSON: an object a line, or an array of objects, which is read whole."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import polars as pl

from pixelrec.choices import TimeUnit
from pixelrec.console.progress import OnProgress
from pixelrec.data.columns import Columns
from pixelrec.data.csv_file import BLOCK_COLUMNS, told_unit
from pixelrec.data.parts import Part
from pixelrec.data.text_table import Block, opened_lines
from pixelrec.data.timestamps import is_date, number_of, seconds_of_text, wrong_time
from pixelrec.errors import DataError, first_line

_SAMPLE = 100  # objects whose keys are looked at
_PYTHON = b"{'"  # begins no object of JSON


def read_json_blocks(part: Part, columns: Columns, told: OnProgress) -> Iterator[pl.DataFrame]:
    """Frames with `user` and `item` (String or Int64), `seconds`, perhaps `fraction`, and perhaps `rating`.

    The first object decides whether times are numbers or dates.

    Raises:
        DataError: naming the line of the first thing that cannot be used.
    """
    names: dict[str, str] | None = None
    with opened_lines(part.path) as blocks:
        for block in _of_objects(part.path, blocks):
            if not block.body.strip():
                continue
            if names is None:
                names, added = part.find(_keys(part.path, block), columns)
                time = None if "time" not in names else _first(block, names["time"])
                unit = None if time is None or is_date(time) else columns.time_unit or told_unit(time, told)
            table = _read(part.path, block, names, unit)
            given = table.with_columns(**added)
            yield given.select(name for name in BLOCK_COLUMNS if name in given.columns)


def read_json_table(path: Path) -> pl.DataFrame:
    """All keys of all objects as columns; numbers and texts keep their types.

    Raises:
        DataError: naming the line of the first that is no object.
    """
    with opened_lines(path) as blocks:
        bodies = [block for block in _of_objects(path, blocks) if block.body.strip()]
    try:
        tables = [pl.read_ndjson(block.body, infer_schema_length=None) for block in bodies]
        return pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        for block in bodies:
            _demand(path, block, {}, None)
        raise DataError(f"{path}: not readable as JSON lines ({first_line(error)}); mend it") from error


def read_line(line: bytes) -> Any:
    """The value in a line of JSON, or of Python, as the Amazon reviews of 2014 are.

    Raises:
        ValueError, RecursionError: it is neither.
    """
    if not line.lstrip().startswith(_PYTHON):
        return json.loads(line)
    try:
        with catch_warnings(action="ignore"):  # about backslashes
            return literal_eval(line.decode().strip())
    except (SyntaxError, ValueError, MemoryError, TypeError) as error:  # of nested signs, too
        raise ValueError("no dictionary of Python's texts and numbers") from error


def _of_python(path: Path, block: Block) -> Block:
    """The lines of a block as JSON."""
    found = []
    for number, line in enumerate(block.body.split(b"\n"), block.line):
        try:
            found.append(json.dumps(read_line(line), allow_nan=False).encode() if line.strip() else b"")
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: not readable as a dictionary ({error}); mend it"
            ) from error
    return Block(b"\n".join(found), block.line)


def _of_objects(path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks, those of Python as JSON; or one with the objects of an array, a line each."""
    for block in blocks:
        if block.line == 1 and block.body.lstrip().startswith(b"["):
            body = b"".join([block.body, *(each.body for each in blocks)])
            try:
                objects = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: not readable as JSON ({error}); mend it") from error
            yield Block("\n".join(map(json.dumps, objects)).encode(), 1)
        else:
            yield _of_python(path, block) if block.body.lstrip().startswith(_PYTHON) else block


def _keys(path: Path, block: Block) -> list[str]:
    """The keys of the first objects, by first appearance."""
    lines = block.body.split(b"\n", _SAMPLE)[:_SAMPLE]
    _demand(path, Block(b"\n".join(lines), block.line), {}, None)
    return list(dict.fromkeys(key for line in lines if line.strip() for key in json.loads(line)))


def _first(block: Block, name: str) -> str:
    value = json.loads(block.body.lstrip().partition(b"\n")[0]).get(name)
    return value if isinstance(value, str) else json.dumps(value)


def _read(path: Path, block: Block, names: Mapping[str, str], unit: TimeUnit | None) -> pl.DataFrame:
    """The values of a block; ids are numbers if all of them are."""
    try:
        table = _parsed(block.body, names).select(pl.col(name).alias(key) for key, name in names.items())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        _demand(path, block, names, unit)
        raise DataError(f"{path}: not readable as JSON lines ({first_line(error)}); mend it") from error
    if "time" in names:
        table = table.hstack(seconds_of_text(table["time"], unit)).drop("time")
    if any(table[key].null_count() for key in table.columns) or any(
        _odd(table[key]) for key in ("item", "user") if key in names
    ):
        _demand(path, block, names, unit)
    return table


def _parsed(body: bytes, names: Mapping[str, str]) -> pl.DataFrame:
    texts: dict[str, Any] = {
        name: pl.Float64 if key == "rating" else pl.String for key, name in names.items()
    }
    numbers = {name: pl.Int64 for key, name in names.items() if key in ("item", "user")}
    try:
        return pl.read_ndjson(body, schema=texts | numbers)
    except pl.exceptions.ComputeError:
        found = pl.read_ndjson(body, schema=texts)
        for name in numbers:  # one of the two may be numbers
            try:
                ids = pl.read_ndjson(body, schema={name: pl.Int64})[name]
            except pl.exceptions.ComputeError:
                continue
            found = found.with_columns(ids)
        return found


def _odd(ids: pl.Series) -> bool:
    """Whether an id may be no text, or empty."""
    return ids.dtype == pl.String and bool(
        (ids.str.contains(r"^(\[|\{|true$|false$|.*\.|.*[eE])") | (ids == "")).any()
    )


def _demand(path: Path, block: Block, names: Mapping[str, str], unit: TimeUnit | None) -> None:
    """Raises a `DataError` for the first line that is no object, or lacks what is wanted of it."""
    for number, line in enumerate(block.body.split(b"\n"), block.line):
        if line.strip() and (what := _fault(line, names, unit)):
            raise DataError(f"{path}, line {number}: {what}")


def _fault(line: bytes, names: Mapping[str, str], unit: TimeUnit | None) -> str | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not readable as JSON ({error}); expected an object in each line"
    if not isinstance(values, dict):
        return f"{line[:40].decode('utf-8', 'replace')!r} is no object; expected one in each line"
    for key, name in names.items():
        value = values.get(name)
        if value is None or value == "":
            return f"{name} is empty; fill it in or remove the line"
        if key == "time" and (
            wrong := wrong_time(name, value if isinstance(value, str) else json.dumps(value), unit)
        ):
            return wrong
        if key == "rating" and number_of(str(value)) is None:
            return f"{name} {str(value)[:40]!r} is not a number; mend it"
        if key in ("item", "user") and (isinstance(value, bool) or not isinstance(value, str | int)):
            return f"{name} {json.dumps(value)[:40]} is no id; expected text or a whole number"
    return None
