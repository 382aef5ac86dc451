"""Item information: which column is the id, and texts of any type."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pixelrec.data.information import read_information
from pixelrec.data.prepare import prepare
from pixelrec.errors import DataError

DAY = datetime.datetime(2024, 1, 5, 10)
TEXTS: dict[str, tuple[Sequence[object], list[str | None]]] = {
    "whole numbers": ([1984, 7, None], ["1984", "7", None]),
    "floats": ([1984.0, 1.5, float("nan")], ["1984", "1.5", None]),
    "large floats": ([1e300, float("inf"), -3.0], ["1e+300", "inf", "-3"]),
    "dates": ([DAY.date()] * 3, ["2024-01-05"] * 3),
    "datetimes": ([DAY, DAY.replace(microsecond=5)], ["2024-01-05 10:00:00", "2024-01-05 10:00:00.000005"]),
    "times with a zone": ([DAY.replace(tzinfo=datetime.UTC)] * 3, ["2024-01-05 10:00:00+00:00"] * 3),
    "dates beyond the calendar": (pl.Series([10**8, 0]).cast(pl.Int32).cast(pl.Date), [None, "1970-01-01"]),
    "durations": ([datetime.timedelta(hours=1)] * 3, ["1:00:00"] * 3),
    "decimals": ([Decimal("12.50"), Decimal("-1.00"), None], ["12.50", "-1.00", None]),
    "bytes": ([b"caf\xc3\xa9", b"\xff", None], ["café", "\ufffd", None]),
    "lists": ([["a", "b"], [], None], ["a, b", "", None]),
    "lists of numbers": ([[1, None], [2, 3], None], ["1", "2, 3", None]),
    "structs": ([{"en": "A", "de": None}, {"en": "B", "de": "C"}, None], ["en: A", "en: B, de: C", None]),
    "booleans": ([True, False, None], ["true", "false", None]),
    "nothing": ([None, None, None], [None, None, None]),
}  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", ["title", "tag"])
def test_titles_of_any_type_become_text(
    tmp_path: Path, name: str, values: Sequence[object], expected: list[str | None]
) -> None:
    ids = ["a", "b", "c"][: len(values)]
    pl.DataFrame({"item_id": ids, name: values}).write_parquet(tmp_path / "items.parquet")
    found = read_information(tmp_path / "items.parquet", "item_id")
    assert found.schema == {"item_id": pl.String, name: pl.String}
    assert found[name].to_list() == expected


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_are_found_as_people_write_them(tmp_path: Path, kind: str) -> None:
    table, path = (
        pl.DataFrame({"Title": [1984, 2001], "ASIN ": [7, 8], "price": [1.5, 2.0]}),
        tmp_path / f"x.{kind}",
    )
    table.write_csv(path) if kind == "csv" else table.write_parquet(path)
    found = read_information(path, "asin")
    assert found.rows() == [("7", "1984", 1.5), ("8", "2001", 2.0)]
    assert found.columns == ["item_id", "title", "price"]
    with pytest.raises(
        DataError, match=r"no column 'item_id'; .* perhaps --items-id-column 'ASIN ' \(items_id_column="
    ):
        read_information(path, "item_id")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/full"])
def test_devices_are_refused_before_they_are_read(tmp_path: Path, path: str) -> None:
    (tmp_path / "items.csv").symlink_to(path)
    (tmp_path / "x.csv").write_text("item_id,user_id,timestamp\na,u,1\nb,u,2\nc,u,3\n", encoding="utf-8")
    with pytest.raises(DataError, match="items.csv: is a folder, pipe or device; give a CSV or Parquet file"):
        prepare(tmp_path / "x.csv", out=tmp_path / "out", items=tmp_path / "items.csv")


def test_two_columns_of_one_name_but_for_case_stay_apart(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["a"], "title": ["x"], "Title": [1]}).write_parquet(tmp_path / "x.parquet")
    assert read_information(tmp_path / "x.parquet", "item_id").rows() == [("a", "x", 1)]
