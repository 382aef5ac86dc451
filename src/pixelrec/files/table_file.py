"""Tables as Parquet."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrec.files.regular import demand_regular

if TYPE_CHECKING:
    from polars import DataFrame


def write_table(table: DataFrame, path: Path) -> None:
    """Writes a table; an `OSError` if the disk is full."""
    with system_errors():
        table.write_parquet(path)


def write_parts(parts: Iterator[DataFrame], path: Path) -> None:
    """Writes tables of the same columns, at least one, below each other; errors as of `write_table`."""
    from polars.io.plugins import register_io_source

    first, raised = next(parts), list[Exception]()

    def every(*_: Any) -> Iterator[DataFrame]:
        yield first
        try:
            yield from parts
        except Exception as error:
            raised.append(error)
            raise

    try:
        with system_errors():
            register_io_source(every, schema=first.schema).sink_parquet(path)
    except Exception:
        if raised:  # which Polars before 1.44 wraps
            raise raised[0] from None
        raise


def read_table(path: Path, columns: list[str] | None = None) -> DataFrame:
    """Reads a table, or some columns of it.

    Raises:
        OSError: it is missing, or no regular file.
        PolarsError: it is damaged. Polars panics over some damages, and says so on standard error, too.
    """
    import polars as pl

    demand_regular(path)
    try:
        return pl.read_parquet(path, columns=columns, glob=False)
    except pl.exceptions.PanicException as panic:
        raise pl.exceptions.ComputeError(str(panic)) from panic


@contextmanager
def system_errors() -> Iterator[None]:
    """Turns the error of Polars about a write that the system refused into an `OSError`."""
    from polars.exceptions import ComputeError

    try:
        yield
    except ComputeError as error:
        if not (number := re.search(r"\(os error (\d+)\)", str(error))):
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
