"""Recommendations: ids in every form that a caller has them, and output that is whole and harmless."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pixelrec import api
from pixelrec.cli.main import main
from pixelrec.cli.outputs import put_rows
from pixelrec.console.terminal import Screen
from pixelrec.errors import RequestError
from pixelrec.runs.run import Run

ITEMS = ["-abc", "--form", "-k", "17", "plain", "=1+1", "x", "y"]
TINY = {"length": 4, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}
HOSTILE = "a\x1b]0;owned\x07\x9b2J\u202eb\nc"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run over items whose ids look like options, and users 0 … 9."""
    folder = tmp_path_factory.mktemp("dashes")
    rows = [f"{ITEMS[(user + n) % 8]},{user},{n}" for user in range(10) for n in range(5)]
    source = folder / "events.csv"
    source.write_text("item_id,user_id,timestamp\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data = api.prepare(source, out=folder / "data")
    return api.train("sasrec-id", data=data, out=folder / "run", overrides=TINY)


@pytest.mark.parametrize(
    "users",
    [
        ["0", "1"],
        (0, 1),
        range(2),
        np.array([0, 1]),
        np.array(["0", "1"]),
        pl.Series([0, 1]),
        pl.Series(["0", "1"]),
        (str(user) for user in range(2)),
    ],
    ids=lambda users: type(users).__name__,
)
def test_ids_come_in_any_sequence(run: Run, users: Sequence[Any]) -> None:
    found = api.recommend(run, users=users, k=2)
    assert found["user_id"].unique(maintain_order=True).to_list() == ["0", "1"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"users": [0.0]}, r"users holds 0\.0; expected ids: strings or whole numbers"),
        ({"users": [""], "history": [None]}, "history holds None; expected ids"),
        ({"users": [True]}, "users holds True"),
        ({"users": ["\udcff"]}, r"users holds '\\udcff'; expected ids in UTF-8"),
        ({"users": ["0"], "console": True}, "console is True; expected a rich.console.Console"),
        ({"users": ["0"], "covers": ["x"], "alone": "no"}, "alone is 'no'; expected True or False"),
        ({"users": ["0"], "alone": True}, r"--alone \(alone=True in Python\) lists new pictures only"),
        ({"users": np.array([0.5])}, "users holds .*0.5"),
        ({"users": 5}, "users is 5; expected a list"),
        (
            {"history": pl.DataFrame({"item": ["x"] * 99})},
            "history holds a value of type Series; .* one column of a data frame",
        ),
        ({"users": ["0"], "k": "3"}, "k is '3'; expected a whole number of at least 1"),
        ({"users": ["0"], "k": 2.0}, r"k is 2\.0; expected a whole number"),
        ({"users": ["0"], "k": 0}, "k is 0; expected a whole number of at least 1"),
        ({"users": ["0"], "covers": [7]}, "covers is 7; expected a path"),
        ({"users": [], "history": np.array([])}, "exactly one of the three"),
        ({"users": ["0"], "data": 3}, "data is 3; expected a path"),
    ],
)
def test_what_is_no_id_is_said_in_a_line(run: Run, given: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=f"^[^\n]*{says}[^\n]*$"):
        api.recommend(run, **given)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda _: api.evaluate(7), "run is 7; expected a path"),
        (lambda run: api.report(run, beside="x"), r"beside is 'x'; expected a list, such as \['x'\]"),
        (lambda run: api.compare(run, None), "run is None; expected a path"),
        (lambda run: api.bench(run.about["data"], "sasrec-id"), "recipes is 'sasrec-id'; expected a list"),
        (lambda run: api.bench(run.about["data"], ["sasrec-id"], seeds=0), "seeds is 0; expected a whole"),
        (lambda run: api.bench(run.about["data"], ["sasrec-id"], jobs="2"), "jobs is '2'; expected a whole"),
        (
            lambda _: api.train("sasrec-id", data=pl.DataFrame({"a": [1]})),
            "data is a value of type DataFrame",
        ),
        (
            lambda _: api.train("sasrec-id", data="d", overrides=[("a", 1)]),
            "overrides is .*expected values",
        ),
        (
            lambda _: api.prepare(pl.Series([1]), out="x"),
            "interactions is a value of type Series; expected a path or a data frame",
        ),
        (lambda _: api.prepare("x.csv", out="x", size="3"), "size is '3'; expected a whole number"),
        (lambda run: api.bench(run.about["data"], [5]), "recipes is 5; expected a path"),
        (lambda run: api.pack_images("c", data=run.about["data"], size="3"), "size is '3'; expected a whole"),
        (lambda _: api.check_images("c", threads="2"), "threads is '2'; expected a whole number"),
        (lambda _: api.train(5, data="d"), "recipe is 5; expected a path"),
        (lambda _: api.cache("d", unused_days=-1), "unused_days is -1; expected a whole number"),
        (lambda _: api.check_images("c", threads=0), "threads is 0; expected a whole number of at least 1"),
        (lambda _: api.prepare("x.csv", out="x\0"), r"out is 'x\\x00'; expected a path"),
        (lambda _: api.prepare("x.csv", out="\ud800"), r"out is '\\ud800'; expected a path"),
        (lambda _: api.prepare("x.csv", out=""), "out is ''; expected a path"),
        (lambda _: api.evaluate("x" * 300), "run is a value of type str; expected a path"),
        (
            lambda _: api.prepare("x.csv", out="x", fit=np.array(["crop"])),
            "fit is array",
        ),
        (lambda run: api.cache(run.about["data"], unused_days=3), "unused-days 3 .* is of use with --clear"),
        (lambda _: api.check_images("c", threads=10**9), "threads is 1000000000; .* at most 4,096"),
        (
            lambda run: api.bench(run.about["data"], ["sasrec-id"], seeds=[0, 1]),
            r"seeds is \[0, 1\];",
        ),
        (
            lambda run: api.recommend(run, users=["0"], k=10**30),
            "k is 1000.* at most 1,000,000,000",
        ),
        (lambda _: api.prepare("x.csv", out="x", user_column=3), "user_column is 3; expected text"),
        (lambda _: api.prepare("x.csv", out="x", overwrite="no"), "overwrite is 'no'; expected True or"),
        (
            lambda run: api.evaluate(run, split=np.array(["test"])),
            "split is array",
        ),
    ],
)
def test_wrong_types_are_said_in_a_line(run: Run, call: Any, says: str) -> None:
    with pytest.raises(RequestError, match=f"^[^\n]*{says}[^\n]*$"):
        call(run)


def test_a_data_set_is_given_as_it_is(run: Run) -> None:
    assert api.recommend(run, users=["0"], data=run.dataset()).equals(api.recommend(run, users=["0"]))


def test_ids_that_begin_with_a_dash(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["recommend", str(run.folder), "--form", "json", "-k", "3"]
    for words, history in [
        (["--history", "-abc", "plain"], ["-abc", "plain"]),
        (["--history", "plain", "-abc", "-k", "3"], ["plain", "-abc"]),
        (["--history=-k", "--history=--form"], ["-k", "--form"]),
    ]:
        assert main([*start, *words]) == 0
        found = json.loads(capsys.readouterr().out)
        expected = api.recommend(run, history=history, k=3)
        assert [row["item_id"] for row in found] == expected["item_id"].to_list()
    assert main([*start, "--history", "plain", "--frm", "csv"]) == 2
    assert "unknown option --frm; did you mean '--form'?" in capsys.readouterr().err


def printed(table: pl.DataFrame, terminal: bool, monkeypatch: pytest.MonkeyPatch, **options: Any) -> str:
    file = StringIO()
    monkeypatch.setattr("sys.stdout", file)
    screen = Screen(file=file, width=200, markup=False, color_system=None, force_terminal=terminal)
    put_rows(table, screen, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_terminal_obeys_no_title(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pl.DataFrame({"rank": [1], "item_id": [HOSTILE], "score": [1.0], "title": [HOSTILE]})
    said = printed(table, True, monkeypatch, form=form)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said) and "]0;owned" in said


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_pipe_and_a_file_get_exact_titles(
    form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = pl.DataFrame({"rank": [1], "item_id": ["=1+1"], "score": [1.0], "title": [HOSTILE]})
    piped = printed(table, False, monkeypatch, form=form, raw=True)
    printed(table, True, monkeypatch, out=tmp_path / "sub" / f"out.{form}", raw=True)
    written = (tmp_path / "sub" / f"out.{form}").read_text(encoding="utf-8")
    assert piped == written
    rows = json.loads(written) if form == "json" else pl.read_csv(StringIO(written)).to_dicts()
    assert rows == table.to_dicts()


def test_a_spreadsheet_runs_no_id_and_no_title(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = pl.Series([-0.1, 3.0], dtype=pl.Float32)
    table = pl.DataFrame({"item_id": ["=1+1", "-7"], "score": scores, "title": ["@SUM(A1)", None]})
    said = printed(table, False, monkeypatch, form="csv")
    assert said == "item_id,score,title\n'=1+1,-0.1,'@SUM(A1)\n-7,3.0,\n"
    assert printed(table, False, monkeypatch, form="csv", raw=True) == said.replace("'", "")


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before", encoding="utf-8")

    def full(*_: object, **__: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["recommend", str(run.folder), "--user", "0", "--out", str(out)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "before" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("name", "form", "start"),
    [
        ("a.json", [], "["),
        ("a.txt", [], "user_id  rank"),
        ("a.txt", ["table"], "user_id  rank"),
        ("a.csv", [], "user_id,rank"),
        ("a.json", ["csv"], "user_id,rank"),
        ("a", ["json"], "["),
    ],
)
def test_a_form_decides_before_a_name(
    run: Run, tmp_path: Path, name: str, form: list[str], start: str
) -> None:
    words = [word for value in form for word in ("--form", value)]
    assert main(["recommend", str(run.folder), "--user", "0", "--out", str(tmp_path / name), *words]) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_a_request_imports_and_traverses_little(run: Run) -> None:
    """SciPy is for fitting baselines; the objects of PyTorch are not searched for garbage."""
    code = (
        "import gc, sys\n"
        "from pixelrec.cli.main import main\n"
        f"assert main(['recommend', {str(run.folder)!r}, '--user', '1']) == 0\n"
        "assert not {'scipy', 'accelerate', 'transformers'} & set(sys.modules)\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
