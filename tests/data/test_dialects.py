"""The same events in every dialect of text give the same data set, and what was found is told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl
import pytest

from pixelrec.data import text_table
from pixelrec.data.dataset import Dataset
from pixelrec.data.dialect import BY_LOOKING, Dialect, DialectOptions, dialect_of
from pixelrec.data.prepare import prepare
from pixelrec.data.statistics import statistics
from pixelrec.errors import DataError

HEADER = ("item_id", "user_id", "timestamp", "title")
ROWS = [(f"i{n * 7 % 11}", f"ü{n * 5 % 13}", 1_700_000_000 + n * 3 % 20, f"the {n}") for n in range(60)]


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.data.writer.save_picture", lambda _, path: path.touch())


def written(separator: str = ",", *, header: bool = True, quote: str = "", point: str = "") -> str:
    rows = [*([HEADER] if header else []), *ROWS]
    texts = [[f"{quote}{cell}{quote}" for cell in map(str, row)] for row in rows]
    if point:
        for row in texts[header:]:
            row[2] += f"{point}5"
    return "".join(separator.join(row) + "\n" for row in texts)


PLACES = {"item_column": "1", "user_column": "2", "time_column": "3"}
DIALECTS: dict[str, tuple[str | bytes, str, dict[str, object]]] = {
    "semicolons": (written(";"), "read as a table separated by semicolons", {}),
    "semicolons and decimal commas": (written(";", point=","), "semicolons, with decimal commas", {}),
    "tabs": (written("\t"), "separated by tabs", {}),
    "tabs, Windows": (written("\t").replace("\n", "\r\n"), "separated by tabs", {}),
    "bars": (written("|"), "separated by bars", {}),
    "carets": (written("^"), "separated by carets", {}),
    "Hive": (written("\x01"), "separated by control characters \\x01", {}),
    "MovieLens": (written("::", header=False), "separated by '::', without a header", PLACES),
    "MovieLens with a header": (written("::"), "separated by '::'", {}),
    "spaces": (written(" ").replace("the ", "the"), "separated by spaces", {}),
    "many spaces": (
        "".join(
            f"{' ' * (n % 3)}{line}{' ' * (n % 2)}\n"
            for n, line in enumerate(written("   ").replace("the ", "the").splitlines())
        ),
        "separated by spaces",
        {},
    ),
    "no header": (written(header=False), "without a header", PLACES),
    "no header, all quoted": (written(header=False, quote='"'), "without a header", PLACES),
    "single quotes": (written(quote="'"), "single quotes", {}),
    "places below a header": (written(), "", PLACES),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + written().encode(), "", {}),
    "UTF-16": (written().encode("utf-16"), "in utf-16", {}),
    "UTF-16, big": (b"\xfe\xff" + written("\t").encode("utf-16-be"), "separated by tabs, in utf-16", {}),
    "UTF-16 without a mark": (written().encode("utf-16-le"), "in utf-16-le", {}),
    "Latin": (written().encode("latin-1"), "in cp1252", {}),
    "comments": ("# two\n% lines\n\n" + written(), "below 3 lines of comments", {}),
    "for Excel": ("sep=;\r\n" + written(";").replace("\n", "\r\n"), "semicolons, below 1 line", {}),
    "RecBole": (
        written("\t").replace("\t", ":token\t", 2).replace("timestamp", "timestamp:float", 1),
        "separated by tabs",
        {},
    ),
    "tabs and inches": (written("\t").replace("the 7", '7" the'), "separated by tabs, without quoting", {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    folder = tmp_path_factory.mktemp("plain")
    found: dict[str, Dataset] = {}

    def of(point: str) -> Dataset:
        if point not in found:
            (folder / f"x{point}.csv").write_text(written(point=point), encoding="utf-8")
            found[point] = prepare(folder / f"x{point}.csv", out=folder / f"out{point}")
        return found[point]

    return of


def same(dataset: Dataset, other: Dataset) -> bool:
    """Whether two data sets hold the same bytes, but for what their manifests say of the sources."""
    names = [each.relative_to(other.folder) for each in other.folder.rglob("*") if each.is_file()]
    names.remove(Path("manifest.json"))
    return dataset.manifest["digests"] == other.manifest["digests"] and all(
        (dataset.folder / name).read_bytes() == (other.folder / name).read_bytes() for name in names
    )


@pytest.mark.parametrize(("block", "zipped"), [(400, False), (2**20, True)])
@pytest.mark.parametrize(("content", "told", "options"), DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_gives_the_bytes_of_plain_csv(
    tmp_path: Path,
    plain: Callable[[str], Dataset],
    content: str | bytes,
    told: str,
    options: dict[str, object],
    zipped: bool,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = plain("." if "decimal" in told else "")
    monkeypatch.setattr(text_table, "BLOCK", block)
    raw = content if isinstance(content, bytes) else content.encode()
    source = tmp_path / ("x.txt.gz" if zipped else "x.txt")
    source.write_bytes(gzip.compress(raw) if zipped else raw)
    notes: list[str] = []
    dataset = prepare(source, out=tmp_path / "out", on_note=notes.append, **options)  # type: ignore[arg-type]
    assert same(dataset, expected)
    assert dataset.manifest["notes"] == notes
    assert len(notes) == bool(told)
    assert told in "".join(notes)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("item_id,user_id,timestamp\na,u,2024-01-05 10:00:00\n", Dialect()),
        ("a b c,u,1\nd e f,u,2\n", Dialect(header=False)),
        ("i;u;1,5\nj;u;2,5\n", Dialect(";", header=False, decimal=",")),
        ("item;user;time;title\ni;u;1;a, b, c\n", Dialect(";")),
        ('item_id,user_id,timestamp\n"a;b;c",u,1\n', Dialect()),
        ("a\tb,c\td\ne\tf,g\th\n", Dialect("\t")),
        ("a::b,u,1\nc::d,v,2\n", Dialect(header=False)),
        ("item\n", Dialect()),
        (",item_id,user_id,2024\n0,a,u,1\n", Dialect()),
    ],
)
def test_a_dialect_is_that_of_all_lines(line: str, found: Dialect) -> None:
    known = {"item_id", "user_id"}.__contains__
    assert dialect_of(line.splitlines(), "utf-8", BY_LOOKING, known) == found


def test_options_say_otherwise_than_looking(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text("a~u~1\nb~u~2\nc~u~3\n", encoding="utf-8")
    options = DialectOptions("~", header="no", encoding="latin-1", quote="none", decimal="comma")
    dataset = prepare(source, out=tmp_path / "out", dialect=options, **PLACES)  # type: ignore[arg-type]
    assert dataset.item_ids.to_list() == ["a", "b", "c"]
    assert dataset.manifest["options"]["dialect"]["separator"] == "~"
    source.write_text("name,user\na,u\nb,u\nc,u\n", encoding="utf-8")
    headed = prepare(
        source,
        out=tmp_path / "two",
        dialect=DialectOptions(header="no"),
        item_column="1",
        user_column="2",
        order="file",
    )
    assert headed.item_ids.to_list() == ["name", "a", "b", "c"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"separator": "x"}, "separator is 'x'; expected a sign such as ; or |, or tab, space, ::"),
        ({"separator": ""}, "separator is ''"),
        ({"encoding": "klingon"}, "encoding is 'klingon'; expected utf-8, utf-16,"),
        ({"encoding": "rot13"}, "encoding is 'rot13'"),
        ({"separator": "::", "quote": "double"}, "quotes need a separator of one character, not '::'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, str], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        DialectOptions(**options)  # type: ignore[arg-type]


def test_what_holds_of_many_files_is_told_once(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.tsv").write_text(written("\t"), encoding="utf-8")
    notes: list[str] = []
    prepare(sorted(tmp_path.iterdir()), out=tmp_path / "out", on_note=notes.append)
    assert notes == ["0.tsv, 1.tsv, 2.tsv and 2 more: read as a table separated by tabs"]


LINES = [
    {"item_id": item, "user_id": user, "timestamp": time, "title": {"n": [title]}}
    for item, user, time, title in ROWS
]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, LINES)),
        "\n\n".join(json.dumps(line, ensure_ascii=False) for line in LINES) + "\r\n",
        json.dumps(LINES, indent=1),
        "\n".join(json.dumps({**line, "timestamp": str(line["timestamp"])}) for line in LINES),
        json.dumps(LINES[0] | {"rating": 1}) + "\n" + "\n".join(map(json.dumps, LINES[1:])),
    ],
    ids=["lines", "blank lines", "array", "text", "a key that not all have"],
)
@pytest.mark.parametrize("name", ["x.jsonl", "x.json.gz", "x.txt"])
def test_json_gives_the_bytes_of_csv(
    tmp_path: Path, plain: Callable[[str], Dataset], text: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text.startswith("[") and name == "x.txt":
        pytest.skip("an array has a name that says so")
    monkeypatch.setattr(text_table, "BLOCK", 1_000)
    source = tmp_path / name
    source.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert same(prepare(source, out=tmp_path / "out"), plain(""))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"item_id": 1', "line 3: not readable as JSON"),
        ("[1]", r"line 3: '\[1\]' is no object"),
        ('{"item_id": "a", "user_id": null, "timestamp": 1}', "line 3: user_id is empty"),
        ('{"item_id": "a", "timestamp": 1}', "line 3: user_id is empty"),
        ('{"item_id": "", "user_id": "u", "timestamp": 1}', "line 3: item_id is empty"),
        (
            '{"item_id": 1.5, "user_id": "u", "timestamp": 1}',
            "line 3: item_id 1.5 is no id; expected text or",
        ),
        ('{"item_id": ["a"], "user_id": "u", "timestamp": 1}', 'line 3: item_id \\["a"\\] is no id'),
        ('{"item_id": "a", "user_id": "u", "timestamp": "soon"}', "line 3: timestamp 'soon' is not a number"),
        ('{"item_id": "a", "user_id": "u", "timestamp": {"$date": 1}}', "line 3: timestamp '{.*' is not a"),
        ('{"item_id": "a", "user_id": "u", "timestamp": 1, "rating": "x"}', "line 3: rating 'x' is not a"),
    ],
)
def test_faults_of_json_are_named_by_line(tmp_path: Path, line: str, expected: str) -> None:
    good = '{"item_id": "a", "user_id": "u", "timestamp": 1, "rating": 4}\n'
    (tmp_path / "x.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"x\.jsonl, {expected}"):
        prepare(tmp_path / "x.jsonl", out=tmp_path / "out", min_rating=3)


TIMES = {
    "s": 1_700_000_000,
    "ms": 1_700_000_000_123,
    "us": 1_700_000_000_123_456,
    "ns": 1_700_000_000_123_456_789,
}


@pytest.mark.parametrize(("unit", "time"), TIMES.items())
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_unit_of_times_is_found_by_their_size_and_told(
    tmp_path: Path, unit: str, time: int, kind: str
) -> None:
    table = pl.DataFrame({"item_id": ["a", "b", "c"], "user_id": ["u"] * 3, "timestamp": [time] * 3})
    source, notes = tmp_path / f"x.{kind}", list[str]()
    {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[kind](source)
    dataset = prepare(source, out=tmp_path / "out", on_note=notes.append)
    assert dataset.event_times.tolist() == [1_700_000_000] * 2
    told = f"x.{kind}: times are taken as {unit}, by the size of the first; otherwise give --time-unit s "
    assert [note.startswith(told) for note in notes if "same time" not in note] == [True] * (unit != "s")
    if unit != "s":
        with pytest.raises(DataError, match="lie outside the years"):
            prepare(source, out=tmp_path / "two", time_unit="s")


@pytest.mark.parametrize("kind", ["csv", "comma", "jsonl", "parquet"])
def test_events_of_a_low_rating_are_as_if_they_had_never_been(tmp_path: Path, kind: str) -> None:
    rows = [(item, user, time, n % 9 / 2) for n, (item, user, time, _) in enumerate(ROWS)]
    table = pl.DataFrame(rows, ["item_id", "user_id", "timestamp", "overall"], orient="row")
    source = tmp_path / f"x.{kind}"
    if kind == "comma":
        source = tmp_path / "x.csv"
        source.write_text(table.write_csv(separator=";").replace(".", ","), encoding="utf-8")
    else:
        {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[kind](source)
    table.filter(pl.col("overall") >= 2.5).write_csv(tmp_path / "less.csv")
    less = prepare(tmp_path / "less.csv", out=tmp_path / "less")
    dataset = prepare(source, out=tmp_path / "out", rating_column="overall", min_rating=2.5)
    assert same(dataset, less)
    assert dataset.manifest["options"]["min_rating"] == 2.5
    with pytest.raises(DataError, match="no rating is 9 or more"):
        prepare(source, out=tmp_path / "two", rating_column="overall", min_rating=9)


def test_a_rating_that_is_no_number(tmp_path: Path) -> None:
    text = "item_id,user_id,timestamp,stars\na,u,1,5\nb,u,2,good\n"
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="line 3: stars 'good' is not a number; mend it"):
        prepare(tmp_path / "x.csv", out=tmp_path / "out", rating_column="stars", min_rating=1)
    pl.read_csv(text.encode()).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="row 2: stars 'good' is not a number"):
        prepare(tmp_path / "x.parquet", out=tmp_path / "out", rating_column="stars", min_rating=1)
    with pytest.raises(DataError, match="no column 'rating'; .* perhaps --rating-column stars"):
        prepare(tmp_path / "x.csv", out=tmp_path / "out", min_rating=1)


def plain_core(rows: list[tuple[str, str, int]], users: int, items: int) -> list[tuple[str, str, int]]:
    while True:
        by_user, by_item = [row[1] for row in rows], [row[0] for row in rows]
        kept = [row for row in rows if by_user.count(row[1]) >= users and by_item.count(row[0]) >= items]
        if kept == rows:
            return kept
        rows = kept


@pytest.mark.parametrize(("users", "items"), [(3, 1), (1, 4), (4, 4), (5, 5)])
def test_the_core_is_that_of_counting_again_and_again(tmp_path: Path, users: int, items: int) -> None:
    drawn = Random(0)
    rows = [(f"i{int(drawn.paretovariate(1))}", f"u{int(drawn.paretovariate(0.7))}", n) for n in range(300)]
    for name, some in (("all", rows), ("core", plain_core(rows, users, items))):
        lines = "".join(f"{item},{user},{time}\n" for item, user, time in some)
        (tmp_path / f"{name}.csv").write_text("item_id,user_id,timestamp\n" + lines, encoding="utf-8")
    options = {"min_user_events": users, "min_item_events": items}
    found = prepare(tmp_path / "all.csv", out=tmp_path / "out", **options)  # type: ignore[arg-type]
    expected = prepare(tmp_path / "core.csv", out=tmp_path / "two")
    assert 0 < found.interactions < 300
    assert events(found) == events(expected)
    assert found.manifest["options"]["min_user_events"] == users
    with pytest.raises(DataError, match="no events are left if users have at least 999 and items at least 1"):
        prepare(tmp_path / "all.csv", out=tmp_path / "none", min_user_events=999)


def events(dataset: Dataset) -> dict[str, list[str]]:
    """Items of every user, in order, without the numbers."""
    held, items = dataset.held_out().items, dataset.item_ids
    return {
        user: [
            items[int(n) - 1]
            for n in (*dataset.event_items[dataset.offsets[u] : dataset.offsets[u + 1]], held[u])
            if n
        ]
        for u, user in enumerate(dataset.user_ids, 1)
    }


def test_without_times_events_have_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [(f"i{n % 7}", f"u{n % 3}") for n in range(40)]
    text = "item_id,user_id\n" + "".join(f"{item},{user}\n" for item, user in rows)
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    dataset = prepare(tmp_path / "x.csv", out=tmp_path / "out", order="file")
    expected = {f"u{n}": [item for item, user in rows if user == f"u{n}"] for n in range(3)}
    assert events(dataset) == expected
    assert dataset.exact_repeats == 0
    assert dataset.manifest["options"]["order"] == "file"
    assert statistics(dataset).first is None
    with pytest.raises(DataError, match="no column 'timestamp'.*; if there are no times, --order file "):
        prepare(tmp_path / "x.csv", out=tmp_path / "two")


def test_days_as_numbers_are_told(tmp_path: Path) -> None:
    text = "item_id,user_id,timestamp\n" + "".join(f"i{n},u,{20240101 + n}\n" for n in range(4))
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    notes: list[str] = []
    prepare(tmp_path / "x.csv", out=tmp_path / "out", on_note=notes.append)
    assert notes == [
        "x.csv: times of 8 digits look like days, but are taken as seconds; write days as 2024-01-05",
        "x.csv: times are of 1970: is 'timestamp' the column of times, and --time-unit right?",
    ]


def test_numbers_that_are_no_times_are_told(tmp_path: Path) -> None:
    rows = "".join(f'i{n},u,{1_700_000_000 + n},"{n + 1},50"\n' for n in range(5))
    (tmp_path / "x.csv").write_text(f"item_id,user_id,timestamp,Price\n{rows}", encoding="utf-8")
    notes: list[str] = []
    made = prepare(
        tmp_path / "x.csv",
        out=tmp_path / "out",
        time_column="Price",
        dialect=DialectOptions(decimal="comma"),
        on_note=notes.append,
    )
    told = "x.csv: times are of 1970: is 'Price' the column of times, and --time-unit right?"
    assert notes[-1] == told and made.manifest["notes"] == notes
    for more in ({}, {"time_column": "Price", "order": "file"}):
        notes.clear()
        prepare(tmp_path / "x.csv", out=tmp_path / "out", overwrite=True, on_note=notes.append, **more)  # type: ignore[arg-type]
        assert told not in notes and not any("1970" in note for note in notes)


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    [
        (written().encode("utf-8"), "utf-16", "line 1: not readable as utf-16"),
        (written().encode("utf-8")[:-1] + b"\x81", "cp1252", "line 61: not readable as cp1252"),
        (written().encode("utf-16")[:-1], None, "line 61: not readable as utf-16"),
        (
            b"item_id;user_id;timestamp\na;u;1,5\nb;u;?\n",
            None,
            "'1,5' is not .*; for decimal commas, give --dec",
        ),
        (b"item_id::user_id::timestamp\na::u\n", None, "2 fields, .* remove them from fields that hold '::'"),
        (b"a,u,1\nb,u,2\n", None, "no header .* was read as a table without a header"),
        (
            b"name,who\nb,u\n",
            None,
            "a table with names in its first line; otherwise give --header no",
        ),
    ],
)
def test_what_another_dialect_would_mend(
    tmp_path: Path, raw: bytes, encoding: str | None, expected: str
) -> None:
    (tmp_path / "x.csv").write_bytes(raw)
    with pytest.raises(DataError, match=expected):
        prepare(tmp_path / "x.csv", out=tmp_path / "out", dialect=DialectOptions(encoding=encoding))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_last_line_without_end_is_read_and_told(tmp_path: Path, zipped: bool) -> None:
    text = written("::").rstrip("\n")[:-3]
    (tmp_path / "x.csv").write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    notes: list[str] = []
    dataset = prepare(tmp_path / "x.csv", out=tmp_path / "out", on_note=notes.append)
    assert dataset.interactions == len(ROWS)
    told = (
        f"x.csv: the last line, {text.splitlines()[-1]!r}, has no line end; it is read, but was the file cut"
    )
    assert [note.startswith(told) for note in notes] == [False, True]


@pytest.mark.parametrize(("times", "told"), [("days", True), ("seconds", False)])
def test_days_without_an_order_are_told(tmp_path: Path, times: str, told: bool) -> None:
    rows = [(f"i{n}", f"u{n % 3}", f"2024-01-0{n % 2 + 1}" + (f"T0{n}:00:00" if times == "seconds" else ""))
            for n in range(9)]  # fmt: skip
    lines = "".join(f"{','.join(row)}\n" for row in rows)
    (tmp_path / "x.csv").write_text("item_id,user_id,timestamp\n" + lines, encoding="utf-8")
    notes: list[str] = []
    prepare(tmp_path / "x.csv", out=tmp_path / "out", on_note=notes.append)
    assert [note.startswith("6 of 9 events have the same time as another") for note in notes] == [True] * told


def test_rows_that_each_option_leaves_out_are_counted(tmp_path: Path) -> None:
    rows = ["a,u,1,5", "a,u,2,5", "b,u,3,1", "c,u,4,5", "d,u,5,5", "a,v,1,5", "c,v,2,5", "d,v,3,5", "e,v,4,5"]
    text = "item_id,user_id,timestamp,rating\n" + "".join(f"{row}\n" for row in [*rows, rows[0]])
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    few = {"min_rating": 2, "min_user_events": 2, "min_item_events": 2}
    found = prepare(tmp_path / "x.csv", out=tmp_path / "a", repeats="first", **few)  # type: ignore[arg-type]
    counts = {"min_rating": 1, "repeats": 2, "min_user_events, min_item_events": 1}
    assert found.left_out == found.manifest["left_out"] == counts
    assert found.interactions == len(rows) + 1 - sum(counts.values())
    assert statistics(found).left_out == {
        "--min-rating": 1,
        "--repeats": 2,
        "--min-user-events, --min-item-events": 1,
    }
    dropped = prepare(tmp_path / "x.csv", out=tmp_path / "b")
    assert (dropped.left_out["repeats"], statistics(dropped).left_out) == (1, {})
