"""Tables that do not fit on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from pixelrec.files.table_file import read_table, system_errors, write_table


def test_a_table_is_written_or_the_disk_is_full(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": range(1_000)})
    write_table(table, tmp_path / "x.parquet")
    assert pl.read_parquet(tmp_path / "x.parquet").equals(table)
    with pytest.raises(OSError, match="No space left"):
        write_table(table, Path("/dev/full"))


def test_other_errors_of_the_library_keep_their_type() -> None:
    with pytest.raises(pl.exceptions.ComputeError, match="odd"), system_errors():
        raise pl.exceptions.ComputeError("odd")


def test_a_panic_over_a_damaged_table_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("out of range")

    write_table(pl.DataFrame({"a": [1]}), tmp_path / "x.parquet")
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(pl.exceptions.ComputeError, match="out of range"):
        read_table(tmp_path / "x.parquet")


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.parquet")
    with pytest.raises(OSError, match="x.parquet|regular|pipe"):
        read_table(tmp_path / "x.parquet")
