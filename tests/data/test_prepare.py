"""What `prepare` makes of interactions, against worlds worked by hand and a plain reimplementation."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pixelrec.data import parquet_file, text_table
from pixelrec.data.dataset import Dataset
from pixelrec.data.dropping import drop_items
from pixelrec.data.prepare import prepare
from pixelrec.data.sequences import without_repeats
from pixelrec.errors import DataError, RequestError
from pixelrec.files.atomic import new_folder

# u9 comes first and takes b, a, c, b; u1 takes a twice and c, with a tie in file order; u5 has two events
HAND = """item_id,user_id,timestamp
b,u9,30
a,u1,20
a,u9,40
c,u5,5
c,u9,10
c,u1,20
a,u1,21
b,u9,50
d,u5,4
"""


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest; `test_statistics` tests it."""
    monkeypatch.setattr("pixelrec.data.writer.save_picture", lambda _, path: path.touch())


def prepared(tmp_path: Path, text: str = HAND, name: str = "shop.csv", **options: object) -> Dataset:
    source = tmp_path / name
    source.write_bytes(text.encode())
    return prepare(source, out=tmp_path / "out", **options)  # type: ignore[arg-type]


def arrays(dataset: Dataset) -> dict[str, object]:
    held = dataset.held_out()
    return {
        "users": dataset.user_ids.to_list(),
        "items": dataset.item_ids.to_list(),
        "offsets": dataset.offsets.tolist(),
        "event_items": dataset.event_items.tolist(),
        "event_times": dataset.event_times.tolist(),
        "evaluated": dataset.evaluated.tolist(),
        "held_items": held.items.tolist(),
        "held_times": held.times.tolist(),
    }


GOLDEN = {
    "users": ["u9", "u1", "u5"],
    "items": ["b", "a", "c", "d"],
    "offsets": [0, 0, 3, 5, 7],
    "event_items": [3, 1, 2, 2, 3, 4, 3],
    "event_times": [10, 30, 40, 20, 20, 4, 5],
    "evaluated": [False, True, True, False],
    "held_items": [0, 1, 2, 0],
    "held_times": [0, 50, 21, 0],
}


def test_a_small_example_by_hand(tmp_path: Path) -> None:
    dataset = prepared(tmp_path)
    assert arrays(dataset) == GOLDEN
    assert (dataset.users, dataset.items, dataset.interactions) == (3, 4, 9)
    assert dataset.offsets.dtype == dataset.event_times.dtype == dataset.held_out().times.dtype == np.int64
    assert dataset.event_items.dtype == dataset.held_out().items.dtype == np.int32
    assert sorted(p.name for p in dataset.folder.iterdir()) == [
        "events", "held_out", "items.parquet", "manifest.json", "stats.svg", "users.parquet",
    ]  # fmt: skip


def test_the_manifest_names_the_sources(tmp_path: Path) -> None:
    dataset = prepared(tmp_path)
    manifest = json.loads((dataset.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"] == {
        "users": 3, "items": 4, "interactions": 9, "evaluated_users": 2, "users_with_fewer_than_3_events": 1,
    }  # fmt: skip
    source = manifest["sources"][0]
    assert (source["name"], source["bytes"]) == ("shop.csv", len(HAND))
    assert len(source["sha256"]) == 64
    assert manifest["options"]["time_column"] == "timestamp"
    assert manifest["id_types"] == {"user": "String", "item": "String"}


@pytest.mark.parametrize(
    ("times", "exact"),
    [
        (["1", "2", "3", "1", "2", "3"], 3),  # the file was appended to itself
        (["1", "1", "2", "2", "3", "3"], None),
        (["1.5", "2", "3", "1.50", "2.0", "3.25"], 2),
        (
            [
                "2024-01-05",
                "2024-01-06",
                "2024-01-07",
                "2024-01-05T00:00",
                "2024-01-06T00:00:00.1",
                "2024-01-08",
            ],
            1,
        ),
    ],
)
def test_rows_of_the_same_user_item_and_time_are_dropped_unless_they_are_meant(
    tmp_path: Path, times: list[str], exact: int | None
) -> None:
    items = "aabbcc" if exact is None else "abcabc"
    lines = [
        f"{item},{user},{time}\n" for item, time in zip(items, times, strict=True) for user in ("u", "v")
    ]
    text, exact = "item_id,user_id,timestamp\n" + "".join(lines), 2 * (3 if exact is None else exact)
    dropped = prepared(tmp_path, text)
    kept = prepared(tmp_path, text, repeats="keep", overwrite=True)
    assert (dropped.interactions, dropped.exact_repeats, dropped.repeats_kept) == (12 - exact, exact, False)
    assert (kept.interactions, kept.exact_repeats, kept.repeats_kept) == (12, exact, True)
    assert drop_items(kept, ["b"]).exact_repeats == exact


def test_items_of_one_moment_keep_their_order_without_the_repeats() -> None:
    rows = [(item, "u", 7) for item in "badbacab"] + [("b", "u", 8), ("b", "v", 7)]
    events = pl.DataFrame({"item": [ord(i) for i, _, _ in rows], "user": [ord(u) for _, u, _ in rows],
                           "seconds": [t for _, _, t in rows]})  # fmt: skip
    left, count = without_repeats(events, "drop")
    assert "".join(map(chr, left["item"])) == "badcbb"
    assert count == 4


@pytest.mark.parametrize(("policy", "left"), [("first", "badc"), ("last", "dcab")])
def test_one_event_of_a_user_with_an_item_may_be_left(tmp_path: Path, policy: str, left: str) -> None:
    lines = [f"{item},{user},{time}\n" for time, item in enumerate("badbacab") for user in ("u", "v")]
    dataset = prepared(tmp_path, "item_id,user_id,timestamp\n" + "".join([*lines, lines[0]]), repeats=policy)
    assert (dataset.interactions, dataset.exact_repeats, dataset.repeats_kept) == (8, 1, False)
    numbers = [*dataset.event_items[:3].tolist(), int(dataset.held_out().items[1])]
    assert "".join(dataset.item_ids[n - 1] for n in numbers) == left


def test_without_the_repeated_rows_nobody_may_be_left(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shop.csv, without 4 rows left out by --repeats: no user is left"):
        prepared(tmp_path, "item_id,user_id,timestamp\n" + "a,u,1\nb,u,2\n" * 3)


@pytest.mark.parametrize("value", ["merge", None, True])
def test_repeats_are_dropped_or_kept(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError, match="expected one of drop, keep"):
        prepared(tmp_path, repeats=value)


def test_preparing_loads_no_pytorch() -> None:
    code = "import sys, pixelrec.data.prepare, pixelrec.data.statistics; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def plainly(rows: list[tuple[str, str, int]]) -> dict[str, object]:
    """The same by dictionaries and loops."""
    items: dict[str, int] = {}
    users: dict[str, int] = {}
    lines: dict[int, list[tuple[int, int, int]]] = {}
    for place, (item, user, time) in enumerate(rows):
        i = items.setdefault(item, len(items) + 1)
        u = users.setdefault(user, len(users) + 1)
        lines.setdefault(u, []).append((time, place, i))
    offsets, events, held, evaluated = [0, 0], [], [(0, 0)], [False]
    for u in range(1, len(users) + 1):
        line = sorted(lines[u])
        evaluated.append(len(line) >= 3)
        held.append((line[-1][2], line[-1][0]) if len(line) >= 3 else (0, 0))
        events += line[:-1] if len(line) >= 3 else line
        offsets.append(len(events))
    return {
        "users": list(users),
        "items": list(items),
        "offsets": offsets,
        "event_items": [i for _, _, i in events],
        "event_times": [time for time, _, _ in events],
        "evaluated": evaluated,
        "held_items": [i for i, _ in held],
        "held_times": [time for _, time in held],
    }


def random_rows(seed: int, count: int) -> list[tuple[str, str, int]]:
    chance = random.Random(seed)
    names = ["i", "000", "a long name that fits no string view ", "é", "Ünï, quoted ", 'say "so" ']
    return [
        (
            f"{chance.choice(names)}{chance.randrange(12)}",
            f"{chance.choice(['', 'u'])}{chance.randrange(1, 40)}",
            chance.choice([-5, 0, 1_600_000_000]) + chance.randrange(6),
        )
        for _ in range(count)
    ]


def as_csv(rows: list[tuple[str, str, int]], line_end: str = "\n") -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(["item_id", "user_id", "timestamp"])
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_plain_reimplementation_for_all_block_sizes(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_table, "BLOCK", 64 + 37 * seed)
    rows = random_rows(seed, 150)
    assert arrays(prepared(tmp_path, as_csv(rows))) == plainly(rows)


def test_line_ends_inside_quotes_end_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "BLOCK", 16)
    rows = [(f"two\nlines {n % 3}", f'"{n % 2}"\n\n', n) for n in range(20)]
    assert arrays(prepared(tmp_path, as_csv(rows))) == plainly(rows)


def frame(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["item_id", "user_id", "timestamp"], orient="row")


def write_gzip(folder: Path, rows: list[tuple[str, str, int]]) -> Path:
    path = folder / "x.csv.gz"
    path.write_bytes(gzip.compress(as_csv(rows).encode()))
    return path


def write_parts(folder: Path, rows: list[tuple[str, str, int]]) -> Path:
    parts = folder / "parts"
    parts.mkdir()
    for name, part in (("b", rows[70:]), ("a", rows[:70])):
        frame(part).write_parquet(parts / f"part-{name}.parquet")
    (parts / "_SUCCESS").touch()
    (parts / "_metadata.parquet").touch()
    return parts


def write_parquet(folder: Path, rows: list[tuple[str, str, int]]) -> Path:
    frame(rows).with_columns(pl.col("item_id").cast(pl.Categorical)).write_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def write_dates(folder: Path, rows: list[tuple[str, str, int]]) -> Path:
    times = pl.from_epoch("timestamp", time_unit="s").dt.cast_time_unit("ns")
    frame(rows).with_columns(times).write_parquet(folder / "x.parquet")
    return folder / "x.parquet"


def write_bytes(folder: Path, data: bytes) -> Path:
    (folder / "x.csv").write_bytes(data)
    return folder / "x.csv"


@pytest.mark.parametrize(
    "write",
    [
        write_gzip,
        write_parts,
        write_parquet,
        write_dates,
        lambda folder, rows: write_bytes(folder, as_csv(rows, "\r\n").encode()),
        lambda folder, rows: write_bytes(folder, b"\xef\xbb\xbf" + as_csv(rows).encode()),
        lambda folder, rows: write_bytes(folder, as_csv(rows).rstrip().encode()),
        lambda folder, rows: write_bytes(folder, as_csv(rows).replace("\n", "\n\n").encode() + b"\r\n\r\n"),
        lambda folder, rows: write_bytes(
            folder, as_csv(rows).replace("\n", ".0\n").replace("p.0", "p").encode()
        ),
        lambda folder, rows: write_bytes(
            folder, "\n".join(f'"{a}",{b}' for a, b in split(as_csv(rows))).encode()
        ),
    ],
    ids=[
        "gz",
        "parts",
        "parquet",
        "datetime",
        "crlf",
        "bom",
        "no-last-end",
        "blank-lines",
        "floats",
        "quoted",
    ],
)
def test_every_format_gives_the_same(tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "ROWS", 33)
    rows = [(f"0{n * 7 % 11}", f"u{n * 5 % 13}", n * 3 % 20) for n in range(100)]
    path = write(tmp_path, rows)  # type: ignore[operator]
    assert arrays(prepare(path, out=tmp_path / "out")) == plainly(rows)


def split(text: str) -> list[list[str]]:
    return [line.split(",", 1) for line in text.splitlines()]


def test_other_columns_in_another_order_under_other_names(tmp_path: Path) -> None:
    text = "stars,when,buyer,note,thing\n" + "".join(f"3,{n},u{n % 3},,i{n % 4}\n" for n in range(12))
    dataset = prepared(tmp_path, text, item_column="thing", user_column="buyer", time_column="when")
    rows = [(f"i{n % 4}", f"u{n % 3}", n) for n in range(12)]
    assert arrays(dataset) == plainly(rows)


def test_integer_ids_become_text(tmp_path: Path) -> None:
    table = pl.DataFrame({"item_id": [7, 8, 7], "user_id": [1, 1, 1], "timestamp": [3, 2, 1]})
    table.write_parquet(tmp_path / "x.parquet")
    dataset = prepare(tmp_path / "x.parquet", out=tmp_path / "out")
    assert dataset.item_ids.to_list() == ["7", "8"]
    assert dataset.item_numbers(["8"]).tolist() == [2]


def test_leading_zeros_are_kept(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "item_id,user_id,timestamp\n007,01,1\n7,01,2\n07,01,3\n")
    assert dataset.item_ids.to_list() == ["007", "7", "07"]
    assert dataset.user_ids.to_list() == ["01"]


def test_fractions_order_events_and_are_stored_as_whole_seconds(tmp_path: Path) -> None:
    text = "item_id,user_id,timestamp\na,u,100.75\nb,u,100.25\nc,u,100.5\nd,u,99\ne,u,-0.5\n"
    dataset = prepared(tmp_path, text)
    assert dataset.event_items.tolist() == [5, 4, 2, 3]
    assert dataset.event_times.tolist() == [-1, 99, 100, 100]
    assert dataset.held_out().items.tolist() == [0, 1]


def test_a_fraction_in_one_block_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "BLOCK", 20)
    lines = [f"i{n},u,{10 + n % 2 + (0.5 if n == 17 else 0)}" for n in range(30)]
    dataset = prepared(tmp_path, "item_id,user_id,timestamp\n" + "\n".join(lines))
    order = [n for n in range(30) if n % 2 == 0] + [n for n in range(30) if n % 2 and n != 17] + [17]
    assert [*dataset.event_items.tolist(), dataset.held_out().items[1]] == [n + 1 for n in order]


@pytest.mark.parametrize(("unit", "scale"), [("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_time_units(tmp_path: Path, unit: str, scale: int) -> None:
    start = 1_700_000_000 * scale
    text = f"item_id,user_id,timestamp\na,u,{start + 2}\nb,u,{start + 1}\nc,u,{start}\nd,u,{start - 1}\n"
    dataset = prepared(tmp_path, text, time_unit=unit)
    assert dataset.event_items.tolist() == [4, 3, 2]
    assert dataset.event_times.tolist() == [1_699_999_999, 1_700_000_000, 1_700_000_000]


DATES = {  # what stands in the file → unix seconds
    "2024-01-05": 1704412800,
    "2024-01-05 10:00": 1704448800,
    "2024-01-05 10:00:01": 1704448801,
    "2024-01-05T10:00:02Z": 1704448802,
    "2024-01-05T11:00:03+01:00": 1704448803,
    "2024-01-05 04:30:04-0530": 1704448804,
    "2024-01-05 10:00:05 UTC": 1704448805,
    "2024-01-05 10:00:06.75+00": 1704448806,
    "1969-12-31T23:59:59": -1,
}


@pytest.mark.parametrize("block", [30, 2**20])
def test_dates_in_csv(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.data.text_table.BLOCK", block)
    lines = [f"i{n},u,{written}" for n, written in enumerate(DATES)]
    dataset = prepared(tmp_path, "\n".join(["item_id,user_id,timestamp", "", *lines, ""]), time_unit="ms")
    seconds = sorted(DATES.values())
    assert dataset.event_times.tolist() == seconds[:-1]
    assert dataset.held_out().times.tolist() == [0, seconds[-1]]


def test_fractions_of_dates_order_events(tmp_path: Path) -> None:
    times = {"c": "12:00:00.75", "a": "12:00:00.5", "b": "12:00:00.6", "d": "12:00:01"}
    lines = [f'{item},u,"2024-01-05 {time}"\n' for item, time in times.items()]
    dataset = prepared(tmp_path, "item_id,user_id,timestamp\n" + "".join(lines))
    assert [dataset.item_ids[int(n) - 1] for n in dataset.event_items] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (
            [datetime.date(1970, 1, 3), datetime.date(1970, 1, 2), datetime.date(1969, 12, 31)],
            [-86_400, 86_400],
        ),
        (
            [
                datetime.datetime(1970, 1, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
                datetime.datetime(1970, 1, 1, 1, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
                datetime.datetime(1970, 1, 1, 1, 0, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
            ],
            [1, 1800],
        ),
        (["30", "20.5", "10"], [10, 20]),
        (pl.Series([30, 20, 10], dtype=pl.UInt32), [10, 20]),
        (pl.Series([30, 20, 10], dtype=pl.Float32), [10, 20]),
    ],
    ids=["date", "zone", "text", "unsigned", "float32"],
)
def test_times_in_parquet(tmp_path: Path, times: list[object], expected: list[int]) -> None:
    table = pl.DataFrame({"item_id": ["a", "b", "c"], "user_id": ["u"] * 3, "timestamp": times})
    table.write_parquet(tmp_path / "x.parquet")
    dataset = prepare(tmp_path / "x.parquet", out=tmp_path / "out")
    assert dataset.event_items.tolist() == [3, 2]
    assert dataset.event_times.tolist() == expected


def test_item_information_joins_by_id(tmp_path: Path) -> None:
    info = tmp_path / "items.csv"
    info.write_text(
        'title,item_id,view_number,price,code,description\n1984,a,3,1.50,007,"two\nlines, ""so"""\n'
        "2001,zz,9,2,8,\n1917,d,,3,9,<b>\n",
        encoding="utf-8",
    )
    table = prepared(tmp_path, items=info).information
    assert table.columns == ["item_id", "title", "view_number", "price", "code", "description"]
    assert table["item_id"].to_list() == GOLDEN["items"]
    assert table["title"].to_list() == [None, "1984", None, "1917"]
    assert table["view_number"].to_list() == [None, 3, None, None]
    assert table["price"].to_list() == [None, 1.5, None, 3.0]
    assert table["code"].to_list() == [None, "007", None, "9"]
    assert table["description"].to_list() == [None, 'two\nlines, "so"', None, "<b>"]


def test_item_information_from_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["c", "a"], "likes": [1, 2]}).write_parquet(tmp_path / "items.parquet")
    table = prepared(tmp_path, items=tmp_path / "items.parquet").information
    assert table["likes"].to_list() == [None, 2, 1, None]


def test_overwriting_replaces_the_data_set_and_keeps_other_files(tmp_path: Path) -> None:
    folder = prepared(tmp_path).folder
    (folder / "pictures").mkdir()
    (folder / "pictures" / "data.mdb").write_bytes(b"kept")
    (folder / "events" / "old.npy").write_bytes(b"")
    dataset = prepared(tmp_path, HAND.replace("u5", "u1"), overwrite=True)
    assert dataset.users == 2
    assert (folder / "pictures" / "data.mdb").read_bytes() == b"kept"
    assert not (folder / "events" / "old.npy").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "shop.csv"]


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "shop.csv"
    source.write_text(HAND, encoding="utf-8")
    one, two = (prepare(source, out=tmp_path / name).folder for name in ("one", "two"))
    for path in sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file()):
        assert (one / path).read_bytes() == (two / path).read_bytes(), path


def test_a_data_set_behind_a_link_is_replaced_where_it_lies(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    prepared(tmp_path).folder.rename(disk / "shop")
    (disk / "shop" / "pictures").mkdir()
    link = tmp_path / "out"
    link.symlink_to(disk / "shop")
    assert prepared(tmp_path, HAND.replace("u5", "u1"), overwrite=True).users == 2
    assert drop_items(Dataset.open(link), ["d"]).items == 3
    assert link.readlink() == disk / "shop"
    assert (disk / "shop" / "pictures").is_dir()
    assert [path.name for path in disk.iterdir()] == ["shop"]
    assert Dataset.open(disk / "shop").items == 3


def test_a_replacement_that_was_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    old = prepared(tmp_path).folder
    draft = tmp_path / ".out.draft"
    draft.mkdir()
    old.rename(draft / "old")
    (draft / "new").mkdir()
    with pytest.raises(DataError, match="data set already"):
        prepared(tmp_path)
    assert not draft.exists()
    assert arrays(Dataset.open(old)) == GOLDEN


def test_two_processes_do_not_write_one_data_set(tmp_path: Path) -> None:
    out = prepared(tmp_path).folder
    with pytest.raises(DataError, match="out is being written by process"), new_folder(out, DataError):
        prepared(tmp_path, overwrite=True)
    assert arrays(Dataset.open(out)) == GOLDEN


def test_a_data_set_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    other = prepared(tmp_path).folder.rename(tmp_path / "other")
    with pytest.raises(DataError, match="there is a data set already; replace it with --overwrite"):
        prepared(
            tmp_path, HAND.replace("u5", "u1"), pack_covers=lambda _: shutil.copytree(other, tmp_path / "out")
        )
    assert arrays(Dataset.open(tmp_path / "out")) == GOLDEN
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "out", "shop.csv"]


@pytest.mark.parametrize("use", ["open", "prepare"])
def test_the_lock_that_a_killed_process_left_beside_its_finished_work_goes(tmp_path: Path, use: str) -> None:
    out = prepared(tmp_path).folder
    (tmp_path / ".out.draft").mkdir()
    (tmp_path / ".out.draft" / "lock").touch()
    if use == "open":
        Dataset.open(out)
    else:
        with pytest.raises(DataError, match="data set already"):
            prepared(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "shop.csv"]


def test_dropping_items_equals_never_having_had_them(tmp_path: Path) -> None:
    rows = [(f"i{n * 7 % 11}", f"u{n % 9}", n * 13 % 50) for n in range(99)]
    gone = {"i4", "i8"}  # nobody's first, or users would come in another order
    whole = prepared(tmp_path, as_csv(rows))
    less = drop_items(whole, sorted(gone), out=tmp_path / "less")
    assert arrays(less) == plainly([row for row in rows if row[0] not in gone])
    assert less.manifest["dropped_items"] == 2
    assert less.manifest["sources"] == whole.manifest["sources"]


def test_dropping_items_moves_the_hold_out_and_forgets_users_without_events(tmp_path: Path) -> None:
    text = "item_id,user_id,timestamp\n" + "".join(
        f"{item},{user},{time}\n"
        for time, (item, user) in enumerate(["xu", "av", "bv", "cv", "xv", "aw", "bw", "xw", "xu"])
    )
    info = tmp_path / "items.csv"
    info.write_text("item_id,title\nc,C\nx,X\n", encoding="utf-8")
    folder = prepared(tmp_path, text, items=info).folder
    (folder / "pictures").mkdir()
    dataset = drop_items(Dataset.open(folder), ["x", "x"])
    assert dataset.folder == folder
    assert dataset.user_ids.to_list() == ["v", "w"]
    assert dataset.information.rows() == [("a", None), ("b", None), ("c", "C")]
    assert dataset.evaluated.tolist() == [False, True, False]
    assert dataset.held_out().items.tolist() == [0, 3, 0]
    assert dataset.event_items.tolist() == [1, 2, 1, 2]
    assert dataset.offsets.tolist() == [0, 0, 2, 4]
    assert (folder / "pictures").is_dir()


def test_dropping_nothing_changes_nothing(tmp_path: Path) -> None:
    assert arrays(drop_items(prepared(tmp_path), [])) == GOLDEN


def test_dropping_unknown_or_too_many_items_is_refused_and_the_data_set_stays(tmp_path: Path) -> None:
    dataset = prepared(tmp_path)
    with pytest.raises(RequestError, match="unknown item 'e'"):
        drop_items(dataset, ["a", "e"])
    with pytest.raises(DataError, match="no user is left"):
        drop_items(dataset, ["a", "b"])
    with pytest.raises(DataError, match="exists and is no data set"):
        drop_items(dataset, ["d"], out=tmp_path)
    assert arrays(Dataset.open(dataset.folder)) == GOLDEN
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "shop.csv"]


def test_killed_at_any_moment_it_leaves_a_whole_data_set_or_none(tmp_path: Path) -> None:
    source, out = tmp_path / "x.csv", tmp_path / "out"
    source.write_text(as_csv([(f"i{n % 97}", f"u{n % 1009}", n) for n in range(20_000)]), encoding="utf-8")
    # every rename and every file written is a moment to die at, one later each time
    script = """
import os, signal, sys
from pathlib import Path
import numpy as np
from pixelrec.data.prepare import prepare
def mortal(act):
    def lived(*args, **options):
        global moments
        moments -= 1
        if moments < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(*args, **options)
    return lived
source, *outs = map(Path, sys.argv[1:])
for out in outs:
    child = os.fork()
    if not child:
        moments = int(out.name)
        np.save, Path.rename, Path.write_text = mortal(np.save), mortal(Path.rename), mortal(Path.write_text)
        prepare(source, out=out, overwrite=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    before = arrays(prepare(source, out=out))
    places = [Path(shutil.copytree(out, tmp_path / str(moments))) for moments in (3, 7, 8, 10)]
    command = [sys.executable, "-c", script, str(source), *map(str, places)]
    statuses = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert statuses == [
        "-9",
        "-9",
        "-9",
        "0",
    ]  # the third between two renames; the next start undoes the first
    assert all(arrays(Dataset.open(place)) == before for place in places)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["10", "3", "7", "8", "out", "x.csv"]


@pytest.mark.parametrize("name", ["hm_products", "ml_latest_small_posters"])
def test_real_data(tmp_path: Path, name: str) -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is not here")
    dataset = prepare(folder / "interactions.csv", out=tmp_path / "out", items=folder / "items.csv")
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        rows = [(r["item_id"], r["user_id"], int(r["timestamp"])) for r in csv.DictReader(file)]
    assert arrays(dataset) == plainly(rows)
    with (folder / "items.csv").open(encoding="utf-8", newline="") as file:
        titles = {r["item_id"]: r["title"] or None for r in csv.DictReader(file)}
    assert dataset.information["title"].to_list() == [titles[each] for each in dataset.item_ids]
