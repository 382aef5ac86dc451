"""Tables that do not fit on the disk."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pixelrec.files.table_file import system_errors, write_table


def test_a_table_is_written_or_the_disk_is_full(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": range(1_000)})
    write_table(table, tmp_path / "x.parquet")
    assert pl.read_parquet(tmp_path / "x.parquet").equals(table)
    with pytest.raises(OSError, match="No space left"):
        write_table(table, Path("/dev/full"))


def test_other_errors_of_the_library_keep_their_type() -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="odd"), system_errors():
        raise pl.exceptions.ComputeError("odd")
