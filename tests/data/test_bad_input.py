"""Every input that cannot be used gets one line: what, where, how to mend it. Nothing is left behind."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pixelrec.data import text_table
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.errors import DataError

HEADER = "item_id,user_id,timestamp\n"
GOOD = HEADER + "a,u,1\nb,u,2\nc,u,3\n"
LONG = HEADER + "".join(f"i{n},u{n % 7},{n}\n" for n in range(5_000))


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.data.writer.save_picture", lambda _, path: path.touch())


def refusal(tmp_path: Path, source: Path, **options: object) -> str:
    """The message of a refused `prepare`, once it is sure that nothing was left behind."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        prepare(source, out=tmp_path / "new" / "out", **options)  # type: ignore[arg-type]
    assert sorted(tmp_path.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 900
    assert message.startswith(str(tmp_path))
    return message.removeprefix(str(tmp_path))


CSV = {
    "empty file": (b"", "/x.csv: the file is empty"),
    "only a line end": (b"\n", "/x.csv: the file is empty"),
    "only a mark": (b"\xef\xbb\xbf", "/x.csv: the file is empty"),
    "header only": (HEADER, "/x.csv: no interactions: there is a header, but"),
    "header and blank lines": (HEADER + "\n\n\r\n", "/x.csv: no interactions"),
    "missing column": (
        "item,user_id,timestamp\na,u,1\n",
        "no column 'item_id'; the columns are 'item', .*; perhaps --item-column item \\(item_column='item'",
    ),
    "a name that a shell needs quotes for": (
        "Product Code,user_id,timestamp\na,u,1\n",
        "perhaps --item-column 'Product Code' \\(item_column='Product Code' in Python",
    ),
    "no header": (
        "a,u,1\nb,u,2\n",
        "no header with item_id and user_id and timestamp: the first line is 'a', 'u', '1'; give the places "
        "of the columns, from 1: --item-column NUMBER --user-column NUMBER --time-column NUMBER ",
    ),
    "a short line of semicolons": (
        "item_id;user_id;timestamp\na;u;1\nb;u\n",
        "line 3: 2 fields, but the header has 3; quote fields that hold semicolons",
    ),
    "a place that is not there": (
        "1::2::3::978300760\n1::2::3\n",
        "give the places .* --time-column 4 .*; the file "
        "was read as a table separated by '::', without a header",
    ),
    "damaged UTF-16": (GOOD.encode("utf-16")[:-1], "line 4: not readable as utf-16 .* --encoding NAME"),
    "doubled column": ("item_id,user_id,item_id,timestamp\n", "names column 'item_id' twice"),
    "old line ends": (
        GOOD.replace("\n", "\r"),
        "line 1: the header is not CSV .* mend its quotes and line ends",
    ),
    "header not UTF-8": (
        "item_id,user_id,é".encode() + b"\xe9\n",
        "line 1: byte 0xe9 is not UTF-8; save the file as UTF-8, or name its encoding with --encoding NAME",
    ),
    "empty user": (GOOD + "d,,4\n", "line 5: user_id is empty; fill it in or remove the line"),
    "empty item": (HEADER + ",u,4\n", "line 2: item_id is empty"),
    "empty quoted item": (GOOD + '"",u,4\n', "line 5: item_id is empty"),
    "empty time": (GOOD + "d,u,\n" + "e,u,1\n", "line 5: timestamp is empty"),
    "only commas": (GOOD + ",,\n", "line 5: item_id is empty"),
    "text for a time": (
        GOOD + "d,u,soon\n",
        "line 5: timestamp 'soon' is not a number; expected unix seconds",
    ),
    "a date among numbers": (
        GOOD + "d,u,2020-01-01\n",
        "line 5: timestamp '2020-01-01' is not a number but a date, and the two do not mix; "
        "expected unix seconds, as in the first row",
    ),
    "a number among dates": (
        HEADER + "a,u,2020-01-01\nb,u,7\n",
        "line 3: timestamp '7' is no date; expected ISO 8601 dates such as .*, as in the first row",
    ),
    "a day that never was": (HEADER + "a,u,2020-01-01\nb,u,2021-02-29\n", "line 3: timestamp '2021-02-29'"),
    "an empty date": (HEADER + "a,u,2020-01-01\nb,u,\n", "line 3: timestamp is empty"),
    "a date of another kind": (
        HEADER + "a,u,05/01/2024\n",
        "line 2: timestamp '05/01/2024' is not a number; expected unix seconds, or ISO 8601 dates such as",
    ),
    "time with a space": (GOOD + "d,u,4 \n", "line 5: timestamp '4 ' is not a number"),
    "nan": (GOOD + "d,u,nan\n", "line 5: timestamp 'nan' is not a number"),
    "infinite": (GOOD + "d,u,-inf\n", "line 5: timestamp '-inf' is not a number"),
    "very long time": (GOOD + f"d,u,{'x' * 5000}\n", "line 5: timestamp 'x{39}…' is not a number"),
    "milliseconds": (
        GOOD + "d,u,1700000000000\n",
        "line 5: timestamp 1700000000000 unix seconds lie outside the years 1 to 9999; "
        "are they in ms\\? then pass --time-unit ms \\(time_unit='ms' in Python\\)",
    ),
    "too large for 64 bits": (GOOD + "d,u,99999999999999999999\n", "line 5: timestamp 99999999999999999999"),
    "too large a fraction": (GOOD + "d,u,1e300\n", "line 5: timestamp 1e300 unix seconds lie outside"),
    "short line": (GOOD + "d,u\n", "line 5: 2 fields, but the header has 3"),
    "short first line": (HEADER + "d\na,b,1\n", "line 2: 1 fields, but the header has 3"),
    "long line": (
        GOOD + "d,u,4,5\n",
        "line 5: 4 fields, but the header has 3; quote fields that hold commas",
    ),
    "short and long line": (
        "item_id,user_id,timestamp,stars\na,u,1,1\nb,u,2\nc,u,3,4,5\n",
        "line 3: 3 fields, but the header has 4",
    ),
    "short line that lacks nothing needed": (
        "item_id,user_id,timestamp,stars\na,u,1,1\nb,u,2\n",
        "line 3: 3 fields, but the header has 4",
    ),
    "short line among quotes": (
        'item_id,user_id,timestamp,stars\n"a",u,1,1\nb,u,2\n',
        "line 3: 3 fields, but the header has 4",
    ),
    "after blank lines": (GOOD + "\n\r\n\nd,u,x\n", "line 8: timestamp 'x'"),
    "after a line end in quotes": (GOOD + '"two\nlines",u,3\nd,u,x\n', "line 7: timestamp 'x'"),
    "not UTF-8": (
        GOOD.encode() + b"caf\xe9,u,4\n" + "café,u,5\n".encode(),
        "line 5: byte 0xe9 at place 4 is not UTF-8; save the file as",
    ),
    "a fault before the one that is not UTF-8": (
        GOOD.encode() + "café,u,5\n".encode() + b"d,u,\ncaf\xe9,u,4\n",
        "line 6: timestamp is",
    ),
    "lone quote": (GOOD + 'd" e,u,4\nf,u,5\n', 'line 5: an odd number of quotes \\("\\)'),
    "quote never closed": (GOOD + '"d,u,4\nf,u,5\n', "line 5: not readable as CSV .* mend its quotes"),
    "text after a quote": (GOOD + '"d"e,u,4\n', "line 5: not readable as CSV"),
    "far down": (LONG.replace("i4321,", ","), "line 4323: item_id is empty"),
    "far down, a time": (LONG + "a,b,c\n", "line 5002: timestamp 'c'"),
    "nobody to evaluate": (
        HEADER + "a,u,1\nb,u,2\nc,v,3\n",
        "/x.csv: no user is left to evaluate: the longest history has 2 events, and at least 3 are needed",
    ),
}


@pytest.mark.parametrize(("content", "expected"), CSV.values(), ids=CSV)
def test_csv(tmp_path: Path, content: str | bytes, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "x.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refusal(tmp_path, source)
    assert re.search(expected, message), message
    monkeypatch.setattr(text_table, "BLOCK", 1_000)  # what is wrong is the same however the file is read
    assert refusal(tmp_path, source) == message


HEADERS = {
    "spaces and case": ("User_ID,item_id ,TimeStamp", None),
    "camel case": ("userId,itemID,timestamp", None),
    "the exact name decides": ("user_id,item_id,timestamp,Item_ID", None),
    "two alike": (
        "user_id,Item_ID,itemId,timestamp",
        "no column 'item_id'; the columns are 'user_id', 'Item_ID'",
    ),
    "nothing like it": (
        "a,b,timestamp",
        "no columns 'item_id' and 'user_id'; .*; if they are there under other names, --item-column NAME "
        "--user-column NAME \\(item_column='NAME', user_column='NAME' in Python\\)$",
    ),
    "Amazon": (
        "reviewerID,asin,overall,unixReviewTime",
        "no columns 'item_id' and 'user_id' and 'timestamp'; .*; perhaps --item-column asin "
        "--user-column reviewerID --time-column unixReviewTime \\(item_column='asin', ",
    ),
    "MovieLens": (
        "userId,movieId,rating,timestamp",
        "no column 'item_id'; .*; perhaps --item-column movieId ",
    ),
    "RecBole": ("user_id:token,item_id:token,timestamp:float", None),
}


@pytest.mark.parametrize(("header", "expected"), HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_are_found_by_letters_and_digits_or_all_missing_ones_are_named(
    tmp_path: Path, header: str, expected: str | None, kind: str
) -> None:
    names = header.split(",")
    rows = [
        [{"t": str(n), "T": str(n), "u": "u", "U": "u"}.get(name[0], f"i{n}") for name in names]
        for n in range(3)
    ]
    source = tmp_path / f"x.{kind}"
    if kind == "csv":
        source.write_text("\n".join([header, *map(",".join, rows)]), encoding="utf-8")
    else:
        pl.DataFrame(rows, names, orient="row").write_parquet(source)
    if expected is None:
        assert prepare(source, out=tmp_path / "out").item_ids.to_list() == ["i0", "i1", "i2"]
    else:
        message = refusal(tmp_path, source)
        assert re.search(expected, message), message


KINDS = {
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "is a Git LFS pointer; .*`git lfs pull`",
    ),
    "HTML": (b"\n<!DOCTYPE html>\n<html>", "is an HTML page, as a failed download leaves it"),
    "JSON": (b'{"user_id": 1}\n', "is JSON; rename it to .jsonl"),
    "zip": (b"PK\x03\x04" + bytes(40), "is a zip archive or a spreadsheet"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "is compressed with zstd"),
    "tar": (b"x.csv" + bytes(252) + b"ustar", "is a tar archive"),
    "zero bytes": (GOOD.encode() + bytes(20), "holds zero bytes, so it is no text"),
}


@pytest.mark.parametrize(("content", "expected"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.tsv", "x.parquet", "parts/a.inter"])
def test_a_message_says_what_the_file_is(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    source = tmp_path / name
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    message = refusal(tmp_path, source.parent if source.parent != tmp_path else source)
    if "zero bytes" in expected and name == "x.parquet":
        expected = "not a readable Parquet file"
    assert re.search(expected, message), message


def test_other_files_in_the_dress_of_csv_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(gzip.compress(GOOD.replace("\n", "\r\r\n").encode()))
    assert prepare(tmp_path / "x.csv", out=tmp_path / "out").interactions == 3
    pl.read_csv(GOOD.encode()).write_parquet(tmp_path / "part-00000")
    assert prepare(tmp_path / "part-00000", out=tmp_path / "two").interactions == 3
    (tmp_path / "y.csv").write_bytes((tmp_path / "part-00000").read_bytes())
    assert "is a Parquet file; rename it to .parquet" in refusal(tmp_path, tmp_path / "y.csv")


LIMIT = 2_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("item_id," + "x" * LIMIT, "line 1: is longer than"),
        (GOOD + "d" * LIMIT, "line 5: is longer than"),
        (GOOD + "d,u,4\n" + "d" * LIMIT + ",u,4\n" + "e,u,6\n" * 900, "line 6: is longer than"),
        (GOOD + '"' + "d" * LIMIT + '",u,4\n', "line 5: is longer than"),
        (GOOD + '"' + "d,u,4\n" * 900, "line 5: a quote is not closed within"),
    ],
)
@pytest.mark.parametrize("block", [500, 10_000_000])
def test_lines_without_end_are_refused_before_they_fill_the_memory(
    tmp_path: Path, text: str, expected: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_table, "LINE", LIMIT - 1)
    monkeypatch.setattr(text_table, "_RECORD", LIMIT)
    monkeypatch.setattr(text_table, "BLOCK", block)
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    assert expected in refusal(tmp_path, tmp_path / "x.csv")


def test_a_line_of_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "LINE", LIMIT + 4)
    (tmp_path / "x.csv").write_text(GOOD + "d" * LIMIT + ",u,4", encoding="utf-8")
    assert prepare(tmp_path / "x.csv", out=tmp_path / "out").interactions == 4


def zipped(text: str) -> bytes:
    """The same bytes at any time: the names of the cases hold them, and every worker must find the same."""
    return gzip.compress(text.encode(), mtime=0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            zipped(LONG)[:-500],
            "the gzip file is cut off or damaged .* write or download it again",
        ),
        (zipped(LONG)[:-4], "the gzip file is cut off or damaged"),
        (zipped(LONG)[:400] + bytes(400), "the gzip file is cut off or damaged"),
        (zipped(LONG) + b"more", "the gzip file is cut off or damaged"),
        (GOOD.encode(), "named .gz, but not gzip-compressed; .* remove .gz from its name"),
        (b"", "named .gz, but not gzip-compressed"),
        (zipped(""), "the file is empty"),
        (zipped(GOOD + "d,,4\n"), "line 5: user_id is empty"),
    ],
)
def test_gzip(tmp_path: Path, data: bytes, expected: str) -> None:
    source = tmp_path / "x.csv.gz"
    source.write_bytes(data)
    assert re.search(expected, refusal(tmp_path, source))


def table(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"item_id": ["a", "b", "c"], "user_id": ["u"] * 3, "timestamp": [1, 2, 3]} | columns)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (table().drop("user_id"), "no column 'user_id'; the columns are 'item_id', 'timestamp'"),
        (table().clear(), "no interactions"),
        (table(item_id=["a", None, "c"]), "row 2: item_id is empty"),
        (table(user_id=["u", "u", ""]), "row 3: user_id is empty"),
        (table(user_id=[1.0, 2.0, 3.0]), "column 'user_id' holds Float64, expected text or integers"),
        (table(user_id=[None, None, None]), "column 'user_id' holds Null"),
        (table(timestamp=[1, None, 3]), "row 2: timestamp is empty"),
        (table(timestamp=[1.0, 2.0, float("nan")]), "row 3: timestamp 'nan' is not a number"),
        (table(timestamp=["1", "x", "3"]), "row 2: timestamp 'x' is not a number; expected unix seconds"),
        (table(timestamp=["1", "inf", "3"]), "row 2: timestamp 'inf' is not a number"),
        (
            table(timestamp=[True, False, True]),
            "column 'timestamp' holds Boolean, expected numbers or datetimes",
        ),
        (table(timestamp=[1, 2, 10**15]), "row 3: timestamp 1000000000000000 unix seconds lie outside"),
        (
            table(timestamp=pl.Series([1, 2, 2**64 - 1], dtype=pl.UInt64)),
            "row 3: timestamp 18446744073709551615",
        ),
    ],
)
def test_parquet(tmp_path: Path, frame: pl.DataFrame, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame.write_parquet(tmp_path / "x.parquet")
    message = refusal(tmp_path, tmp_path / "x.parquet")
    assert expected in message
    monkeypatch.setattr("pixelrec.data.parquet_file.ROWS", 1)
    assert refusal(tmp_path, tmp_path / "x.parquet") == message


@pytest.mark.parametrize(
    "damage", [lambda d: d[:0], lambda d: d[:-20], lambda d: b"PAR1" + d[4:60], lambda d: d[::-1]]
)
def test_damaged_parquet(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    source = tmp_path / "x.parquet"
    table().write_parquet(source)
    source.write_bytes(damage(source.read_bytes()))
    assert "not a readable Parquet file" in refusal(tmp_path, source)


def test_parquet_damaged_inside(tmp_path: Path) -> None:
    source = tmp_path / "x.parquet"
    table(item_id=[f"{n}" * 50 for n in range(3)]).write_parquet(source)
    data = bytearray(source.read_bytes())
    data[4:80] = bytes(76)
    source.write_bytes(data)
    assert "not a readable Parquet file" in refusal(tmp_path, source)


def test_the_part_with_the_fault_is_named(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    table().write_parquet(parts / "a.parquet")
    table(item_id=["a", "", "c"]).write_parquet(parts / "b.parquet")
    assert refusal(tmp_path, parts).startswith("/parts/b.parquet, row 2: item_id is empty")


def test_a_refusal_does_not_wait_for_the_hash_of_the_file(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text(GOOD + "d,u\n", encoding="utf-8")
    os.truncate(source, 10**11)  # sparse: hashing it takes an hour
    assert "x.csv: holds zero bytes" in refusal(tmp_path, source)


def test_sources_of_unknown_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.xlsx").touch()
    assert "no such file or folder" in refusal(tmp_path, tmp_path / "nothing.csv")
    assert "the folder holds no part; expected .csv, .tsv, .dat," in refusal(tmp_path, tmp_path / "folder")
    assert "unknown kind of file '.xlsx'; expected .csv" in refusal(tmp_path, tmp_path / "x.xlsx")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text(GOOD, encoding="utf-8")
    source.chmod(0)
    assert "cannot be read: Permission denied" in refusal(tmp_path, source)


def test_one_column_for_two_things(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be three different columns"):
        prepare(tmp_path / "x.csv", out=tmp_path / "out", user_column="item_id")


def test_a_time_unit_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown time unit 'min'; known: ms, ns, s, us"):
        prepare(tmp_path / "x.csv", out=tmp_path / "out", time_unit="min")  # type: ignore[arg-type]


ITEMS = {
    "no ids": ("id,title\na,A\n", "no column 'item_id'; the columns are 'id', 'title'"),
    "empty": ("", "the file is empty"),
    "doubled ids": (
        "item_id,title\na,A\nb,B\na,C\nb,D\na,E\n",
        "item_id 'a' occurs 3 times \\(1 other id is doubled too\\); keep one line for each item",
    ),
    "doubled column": ("item_id,title,title\na,A,B\n", "names column 'title' twice"),
    "missing id": ("item_id,title\na,A\n,B\n", "line 3: item_id is empty"),
    "long line": ("item_id,title\na,A, and more\n", "line 2: 3 fields, but the header has 2"),
    "short line": ("item_id,title\nb,B\na\n", "line 3: 1 fields, but the header has 2"),
    "not UTF-8": ("item_id,title\nb,é\n".encode() + b"a,\xff\n", "line 3: byte 0xff at place 3 is not UTF-8"),
    "of another shop": ("item_id,title\nx1,A\n", "no item of the interactions .* ids like 'x1', .* like 'a'"),
    "header only": ("item_id,title\n", "no item of the interactions .* holds no ids"),
}


@pytest.mark.parametrize(("content", "expected"), ITEMS.values(), ids=ITEMS)
def test_item_information(tmp_path: Path, content: str | bytes, expected: str) -> None:
    source, items = tmp_path / "x.csv", tmp_path / "items.csv"
    source.write_text(GOOD, encoding="utf-8")
    items.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refusal(tmp_path, source, items=items)
    assert message.startswith("/items.csv")
    assert re.search(expected, message), message


def test_item_information_of_other_kinds(tmp_path: Path) -> None:
    source, items = tmp_path / "x.csv", tmp_path / "items.parquet"
    source.write_text(GOOD, encoding="utf-8")
    assert "no such file" in refusal(tmp_path, source, items=items)
    items.write_bytes(b"PAR1")
    assert "not a readable Parquet file" in refusal(tmp_path, source, items=items)
    pl.DataFrame({"item_id": [1.5]}).write_parquet(items)
    assert "holds Float64, expected text or integers" in refusal(tmp_path, source, items=items)
    pl.DataFrame({"item_id": ["a", None]}).write_parquet(items)
    assert "row 2: item_id is empty" in refusal(tmp_path, source, items=items)
    (tmp_path / "items.xlsx").touch()
    assert "unknown kind of file '.xlsx'" in refusal(tmp_path, source, items=tmp_path / "items.xlsx")


def test_only_data_sets_are_replaced_and_only_on_request(tmp_path: Path) -> None:
    source, out = tmp_path / "x.csv", tmp_path / "out"
    source.write_text(GOOD, encoding="utf-8")
    out.mkdir()
    (out / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(DataError, match="exists and is no data set, so it is not touched"):
        prepare(source, out=out, overwrite=True)
    assert (out / "thesis.txt").read_text(encoding="utf-8") == "years of work"
    with pytest.raises(DataError, match="exists and is no data set"):
        prepare(source, out=source, overwrite=True)
    folder = prepare(source, out=tmp_path / "set").folder
    with pytest.raises(
        DataError, match="a data set already; replace it with --overwrite \\(overwrite=True in Python\\)"
    ):
        prepare(source, out=folder)
    source.rename(folder / "x.csv")
    with pytest.raises(DataError, match="lies inside .* move it"):
        prepare(folder / "x.csv", out=folder, overwrite=True)
    assert Dataset.open(folder).interactions == 3


def test_a_refused_replacement_leaves_the_old_data_set(tmp_path: Path) -> None:
    source, out = tmp_path / "x.csv", tmp_path / "out"
    source.write_text(GOOD, encoding="utf-8")
    prepare(source, out=out)
    source.write_text(GOOD + "d,u,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 5"):
        prepare(source, out=out, overwrite=True)
    assert Dataset.open(out).interactions == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "x.csv"]


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    source = tmp_path / "x.csv"
    source.write_text(GOOD, encoding="utf-8")
    monkeypatch.setattr("numpy.save", full)
    assert "out: cannot be written: No space left on device; make room" in refusal(tmp_path, source)


def test_interrupted_it_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    source = tmp_path / "x.csv"
    source.write_text(GOOD, encoding="utf-8")
    monkeypatch.setattr("numpy.save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, out=tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.csv"]
