"""Writing tables as Parquet."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polars import DataFrame


def write_table(table: DataFrame, path: Path) -> None:
    """Writes a table; an `OSError` if the disk is full."""
    with system_errors():
        table.write_parquet(path)


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
