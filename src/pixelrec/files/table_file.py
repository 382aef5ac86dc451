"""Writing tables as Parquet."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polars import DataFrame


def write_table(table: DataFrame, path: Path) -> None:
    """Writes a table; an `OSError` if the disk is full, for which Polars has an error of its own."""
    content = BytesIO()
    table.write_parquet(content)
    path.write_bytes(content.getbuffer())
