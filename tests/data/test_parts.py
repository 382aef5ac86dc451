"""Files and folders of interactions: every part is read, or named and refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pixelrec.data.prepare import prepare
from pixelrec.data.statistics import statistics
from pixelrec.errors import DataError

ROWS = [(f"u{n % 3}", f"i{n}", n + 1) for n in range(12)]
NAMES = ["user_id", "item_id", "timestamp"]
WHOLE = pl.DataFrame(ROWS, NAMES, orient="row")
HALVES = (WHOLE[:6], WHOLE[6:])


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.data.writer.save_picture", lambda _, path: path.touch())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    HALVES[0].write_parquet(tmp_path / "log" / "a.parquet")
    return tmp_path / "log"


def below(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


READ: dict[str, Callable[[Path], object]] = {
    "beside it": lambda f: HALVES[1].write_parquet(f / "b.parquet"),
    "in a folder of a folder": lambda f: HALVES[1].write_parquet(below(f / "2024" / "01" / "b.parquet")),
    "in a folder of Spark": lambda f: HALVES[1].write_parquet(below(f / "b.parquet" / "part-00000")),
    "behind a link": lambda f: (
        HALVES[1].write_parquet(f.parent / "b"),
        (f / "b.pq").symlink_to(f.parent / "b"),
    ),
    "CSV": lambda f: HALVES[1].write_csv(f / "b.csv"),
    ".parq": lambda f: HALVES[1].write_parquet(f / "b.parq"),
    ".parquet.gzip": lambda f: HALVES[1].write_parquet(f / "b.parquet.gzip"),
    "no suffix": lambda f: HALVES[1].write_parquet(f / "part-00001"),
    "other columns, in another order": lambda f: (
        HALVES[1]
        .select("timestamp", pl.lit(1).alias("x"), "item_id", "user_id")
        .write_parquet(f / "b.parquet")
    ),
    "twice": lambda f: [HALVES[1].write_parquet(f / name) for name in ("b.parquet", "b (1).parquet")],
    "beside marks of writers": lambda f: (
        HALVES[1].write_parquet(f / "b.parquet"),
        *(
            below(f / name).write_bytes(b"x")
            for name in ("_SUCCESS", ".b.parquet.crc", "_temporary/0/c.parquet")
        ),
    ),
}


@pytest.mark.parametrize("write", READ.values(), ids=READ)
def test_every_part_of_a_folder_is_read(folder: Path, write: Callable[[Path], object]) -> None:
    write(folder)
    dataset = prepare(folder, out=folder.parent / "out")
    assert sorted(dataset.item_ids) == sorted(WHOLE["item_id"])
    assert dataset.interactions == 12


def loop(folder: Path) -> None:
    (folder / "again").symlink_to(folder, target_is_directory=True)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another kind": (
        lambda f: (f / "notes.txt").write_text("hm"),
        r"log/notes.txt: unknown kind of file '.txt'",
    ),
    "a pointer": (
        lambda f: (f / "b").write_text("version https://git-lfs.github.com/spec/v1\n"),
        r"log/b: is a Git LFS pointer",
    ),
    "a link to nothing": (
        lambda f: (f / "b.parquet").symlink_to("/mnt/gone"),
        r"log/b.parquet: a link that leads nowhere",
    ),
    "a pipe": (lambda f: os.mkfifo(f / "b.parquet"), r"log/b.parquet: is neither a file nor a folder"),
    "a part that is a folder": (
        lambda f: (f / "b.parquet").mkdir(),
        r"log/b.parquet: a folder without parts",
    ),
    "a loop": (loop, r"log/again: a link to a folder that it lies in"),
    "a Delta table": (
        lambda f: below(f / "_delta_log" / "0.json").touch(),
        r"log: a Delta table, whose log decides which parts count",
    ),
    "the same file behind a link": (
        lambda f: (f / "b.parquet").symlink_to(f / "a.parquet"),
        r"log/b.parquet: is the same file as .*log/a.parquet; give each file once",
    ),
}


@pytest.mark.parametrize(("write", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_part_is_named(folder: Path, write: Callable[[Path], object], expected: str) -> None:
    write(folder)
    with pytest.raises(DataError, match=expected):
        prepare(folder, out=folder.parent / "out")
    assert not (folder.parent / "out").exists()


def test_an_empty_folder_holds_no_part(tmp_path: Path) -> None:
    (tmp_path / "2024").mkdir()
    with pytest.raises(DataError, match="the folder holds no part"):
        prepare(tmp_path, out=tmp_path / "out")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_folders_named_after_a_column_give_its_values(tmp_path: Path, kind: str) -> None:
    for (user, day), rows in WHOLE.group_by("user_id", pl.col("timestamp") // 4, maintain_order=True):
        place = (
            tmp_path / "log" / f"user_id={user}" / f"day=2024-01-0{int(str(day)) + 1}%2010%3A00" / f"x.{kind}"
        )
        table, path = rows.select("item_id"), below(place)
        table.write_parquet(path) if kind == "parquet" else table.write_csv(path)
    dataset = prepare(tmp_path / "log", out=tmp_path / "out", time_column="day")
    assert dataset.user_ids.to_list() == ["u0", "u1", "u2"]
    assert dataset.interactions == 12
    start = 1704103200  # 2024-01-01 10:00 UTC
    assert sorted(set(dataset.event_times.tolist())) == [start, start + 86_400, start + 2 * 86_400]
    assert sorted(part["name"] for part in dataset.manifest["sources"])[0].startswith(
        "user_id=u0/day=2024-01-01"
    )


def test_a_column_of_the_file_precedes_that_of_a_folder(tmp_path: Path) -> None:
    WHOLE.write_parquet(below(tmp_path / "log" / "timestamp=x" / "user_id=z" / "a.parquet"))
    assert prepare(tmp_path / "log", out=tmp_path / "out").user_ids.to_list() == ["u0", "u1", "u2"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("day=soon", "in the name of its folder, day 'soon' is not a number; expected unix seconds"),
        ("day=__HIVE_DEFAULT_PARTITION__", "day is empty in the name of its folder"),
        ("day=", "day is empty in the name of its folder"),
    ],
)
def test_folders_without_a_usable_value_are_refused(tmp_path: Path, name: str, expected: str) -> None:
    WHOLE.drop("timestamp").write_parquet(below(tmp_path / "log" / name / "a.parquet"))
    with pytest.raises(DataError, match=expected):
        prepare(tmp_path / "log", out=tmp_path / "out", time_column="day")


def test_the_table_of_items_may_lie_among_the_parts(folder: Path) -> None:
    HALVES[1].write_parquet(folder / "b.parquet")
    (folder / "items.csv").write_text("item_id,title\ni1,A\n", encoding="utf-8")
    dataset = prepare(folder, items=folder / "items.csv", out=folder.parent / "out")
    assert (dataset.interactions, dataset.information["title"].drop_nulls().to_list()) == (12, ["A"])
    with pytest.raises(DataError, match=r"log/items.csv: no columns 'user_id' and 'timestamp'"):
        prepare(folder, out=folder.parent / "two")


def test_several_files_and_folders_are_read_in_turn(folder: Path) -> None:
    HALVES[1].write_csv(folder.parent / "b.csv")
    dataset = prepare([folder.parent / "b.csv", str(folder)], out=folder.parent / "out")
    assert dataset.item_ids.to_list() == [*HALVES[1]["item_id"], *HALVES[0]["item_id"]]
    for twice, expected in (
        ([folder, folder / "a.parquet"], "given twice"),
        ([folder / "b"], "no such file"),
    ):
        with pytest.raises(DataError, match=expected):
            prepare(twice, out=folder.parent / "two")


def test_parts_of_the_same_bytes_are_known(folder: Path) -> None:
    READ["twice"](folder)
    found = prepare(folder, out=folder.parent / "out")
    assert found.identical_sources == [["b (1).parquet", "b.parquet"]]
    assert statistics(found).exact_repeats == 6
    (folder / "b (1).parquet").unlink()
    assert prepare(folder, out=folder.parent / "one").identical_sources == []


INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
OTHERS = (pl.Float32, pl.Float64, pl.Decimal(38, 0), pl.Decimal(20, 3), pl.String, pl.Categorical)


@pytest.mark.parametrize("kind", [*INTEGERS, *OTHERS], ids=str)
@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_times_of_every_type_of_number(tmp_path: Path, kind: pl.DataType, unit: str) -> None:
    times = (
        pl.Series("timestamp", [3, 100, 50]).cast(pl.String).cast(kind) if kind == pl.Categorical else None
    )
    times = pl.Series("timestamp", [3, 100, 50]).cast(kind) if times is None else times
    pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "t": times}).write_parquet(
        tmp_path / "x.parquet"
    )
    dataset = prepare(tmp_path / "x.parquet", out=tmp_path / "out", time_column="t", time_unit=unit)
    assert dataset.event_items.tolist() == [1, 3]
    assert dataset.event_times.tolist() == ([3, 50] if unit == "s" else [0, 0])


@pytest.mark.parametrize("kind", [pl.Int128, pl.UInt64, pl.Decimal(38, 0)], ids=str)
def test_large_times_are_exact_and_too_large_ones_refused(tmp_path: Path, kind: pl.DataType) -> None:
    source, second = tmp_path / "x.parquet", 1_700_000_000
    times = [second * 10**9 + 999_999_999, second * 10**9 + 999_999_998, (second + 1) * 10**9]
    table = pl.DataFrame(
        {"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "t": pl.Series(times, dtype=kind)}
    )
    table.write_parquet(source)
    dataset = prepare(source, out=tmp_path / "out", time_column="t", time_unit="ns")
    assert (dataset.event_times.tolist(), dataset.held_out().times[1]) == ([second, second], second + 1)
    with pytest.raises(DataError, match=r"x.parquet, row 1: t 1700000000999999999 unix seconds lie outside"):
        prepare(source, out=tmp_path / "two", time_column="t", time_unit="s")
    assert prepare(source, out=tmp_path / "two", time_column="t").fingerprint == dataset.fingerprint


DATES = ["2024-01-05", "2024-01-06 10:00:00", "2024-01-05T10:00:00.5+01:00"]


def test_dates_as_text_in_parquet_are_those_of_csv(tmp_path: Path) -> None:
    table = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "timestamp": DATES})
    table.write_parquet(tmp_path / "x.parquet")
    table.write_csv(tmp_path / "x.csv")
    found = [prepare(tmp_path / f"x.{kind}", out=tmp_path / kind) for kind in ("parquet", "csv")]
    assert found[0].fingerprint == found[1].fingerprint
    assert found[0].event_times.tolist() == [1704412800, 1704445200]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([*DATES[:2], "7"], r"row 3: timestamp '7' is no date; expected ISO 8601 dates"),
        (
            ["1", "2", DATES[0]],
            r"row 3: timestamp '2024-01-05' is not a number but a date, .* as in the first row",
        ),
        ([DATES[0], None, DATES[1]], r"row 2: timestamp is empty"),
        ([DATES[0], "", DATES[1]], r"row 2: timestamp is empty"),
        (
            pl.Series([1, 2, 3]).cast(pl.Duration("ms")),
            r"column 'timestamp' holds Duration.*, expected numbers",
        ),
        ([[1], [2], [3]], r"column 'timestamp' holds List"),
        ([b"1", b"2", b"3"], r"column 'timestamp' holds Binary"),
        ([None, None, None], r"row 1: timestamp is empty"),
        (
            pl.Series([0, 10**8, 1]).cast(pl.Int32).cast(pl.Date),
            r"row 2: timestamp 100000000 of type Date lies out",
        ),
        (
            pl.Series([10**15, 10, 1]).cast(pl.Datetime("ms")),
            r"row 1: timestamp 10{15} of type Datetime.* lies out",
        ),
    ],
)
def test_times_of_other_kinds_are_refused(tmp_path: Path, times: list[object], expected: str) -> None:
    table = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "timestamp": times})
    table.write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=expected):
        prepare(tmp_path / "x.parquet", out=tmp_path / "out")
