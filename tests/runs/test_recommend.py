"""A loaded recommender: every way to ask agrees with plain ranking in float64; newer data serves by ids."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import pixelrec
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.errors import PixelrecError, RequestError
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.run import Run

TINY = {"length": 4, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}
USERS, ITEMS = 30, 12


def log(folder: Path, rename: Callable[[int], str] = "i{}".format, more: Iterable[str] = ()) -> Path:
    """Events of users u0 … u29: six items in a row each."""
    rows = [f"{rename((user * 5 + n) % ITEMS)},u{user},{n}" for user in range(USERS) for n in range(6)]
    path = folder / "events.csv"
    path.write_text("\n".join(["item_id,user_id,timestamp", *rows, *more]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("served")
    items = folder / "items.csv"
    items.write_text("item_id,title\n" + "".join(f"i{n},Item {n}\n" for n in range(0, ITEMS, 2)), "utf-8")
    data = pixelrec.prepare(log(folder), out=folder / "data", items=items)
    return pixelrec.train("sasrec-id", data=data, out=folder / "run", overrides=TINY)


@pytest.fixture(scope="module")
def service(run: Run) -> RecommendationService:
    return pixelrec.load(run)


def ids(found: list[Any]) -> list[str]:
    return [each.item_id for each in found]


def plain(service: RecommendationService, history: list[str], allowed: set[str]) -> list[str]:
    """The allowed items in the order of float64 scores."""
    known = service.items["item_id"].to_list()
    numbers = torch.tensor([[known.index(each) + 1 for each in history]])
    row = torch.nn.functional.pad(numbers, (8, 0))[:, -4:]
    from pixelrec.batch import Events

    events = Events(torch.zeros(1, dtype=torch.int64), row, torch.zeros_like(row))
    vector = service.trained.recommender.vectors(service.trained.catalogue, events).double()
    scores = (vector @ service.trained.catalogue.candidates.double().T)[0].tolist()
    return sorted(allowed, key=lambda item: -scores[known.index(item) + 1])


def test_restrictions_agree_with_a_plain_ranking(service: RecommendationService) -> None:
    everything, history = {f"i{n}" for n in range(ITEMS)}, ["i3", "i1", "i4", "i7", "i5"]
    seen = set(history)
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, everything - seen),
        ({"seen": True}, everything),
        ({"among": ["i5", "i0", "i2", "i8"]}, {"i0", "i2", "i8"}),
        ({"among": ["i5", "i0"], "seen": True}, {"i0", "i5"}),
        ({"exclude": ["i0", "i2"]}, everything - seen - {"i0", "i2"}),
        ({"exclude": [["i0", "i2"]]}, everything - seen - {"i0", "i2"}),
        ({"among": ["i0", "i2", "i9"], "exclude": [["i9"]]}, {"i0", "i2"}),
    ]
    for given, allowed in cases:
        (found,) = service.recommend(histories=[history], k=99, **given)
        assert ids(found) == plain(service, history, allowed), given
        assert [each.rank for each in found] == list(range(1, len(found) + 1))
    (best,) = service.recommend(histories=[history], k=1)
    assert best[0].title in {None, f"Item {best[0].item_id[1:]}"}


def test_many_requests_are_as_each_alone(service: RecommendationService) -> None:
    given = {"a": ["i1", "i2"], "b": ["i3"], "c": ["i9", "i9", "i4", "i5", "i6", "i7"]}
    own = [["i0"], [], ["i1", "i2"]]
    found = service.recommend(histories=given, k=3, exclude=own)
    alone = [
        service.recommend(histories=[history], k=3, exclude=out)[0]
        for history, out in zip(given.values(), own, strict=True)
    ]
    assert [ids(each) for each in found] == [ids(each) for each in alone] and found[1:] == [
        found[1],
        found[2],
    ]
    frame = found.frame()
    assert frame.columns == ["user_id", "rank", "item_id", "score", "title"]
    assert frame["user_id"].to_list() == [name for name in "abc" for _ in range(3)]
    assert frame["item_id"].to_list() == [item for each in found for item in ids(each)]


@pytest.mark.parametrize("kind", [list, tuple, pl.Series, np.array, iter])
def test_users_come_in_any_form_and_twice(service: RecommendationService, kind: Callable[..., Any]) -> None:
    found = service.recommend(users=kind(["u3", "u1", "u3"]), k=2)
    assert len(found) == 3 and found[0] == found[2] != found[1]
    assert found.frame()["user_id"].unique(maintain_order=True).to_list() == ["u3", "u1"]


def test_numbers_of_pytorch_are_ids() -> None:
    from pixelrec.choices import as_ids

    assert as_ids(torch.tensor([3, 5]), "users") == as_ids(np.array([3, 5]), "users") == ["3", "5"]
    with pytest.raises(RequestError, match="users holds tensor"):
        as_ids(torch.tensor([0.5]), "users")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "give users, or histories of item ids: exactly one"),
        ({"users": ["u1"], "histories": [["i1"]]}, "exactly one"),
        ({"users": ["nobody"]}, "unknown user 'nobody'"),
        ({"users": ["u1\0"]}, r"unknown user 'u1\\x00'; did you mean 'u1'"),
        ({"users": ["u1"], "k": 0}, "k is 0; expected a whole number of at least 1"),
        ({"users": ["u1"], "k": -3}, "k is -3"),
        ({"users": ["u1"], "k": "5"}, "k is '5'; expected a whole number"),
        ({"users": ["u1"], "seen": "no"}, "seen is 'no'; expected True or False"),
        ({"users": "u1"}, r"users is 'u1'; expected a list, such as \['u1'\]"),
        ({"histories": [[]]}, "the histories hold no item"),
        ({"histories": ["i1"]}, "a history is 'i1'; expected a list"),
        ({"histories": [["zz"]]}, "1 of 1 items of the histories are unknown to .*: 'zz'; the known ones"),
        ({"histories": [["\udcff"]]}, r"a history holds '\\udcff'; expected ids in UTF-8"),
        ({"users": ["u1"], "among": []}, "among and exclude leave no item"),
        (
            {"users": ["u1"], "among": ["zz"]},
            "leave no item.*; 1 of 1 items of among are unknown to .*",
        ),
        ({"users": ["u1"], "among": ["i1"], "exclude": ["i1"]}, "leave no item"),
        ({"users": ["u1"], "exclude": [["i1"], ["i2"]]}, "exclude holds 2 lists, and there are 1 requests"),
        ({"users": ["u1"], "exclude": [["i1"], "i2"]}, "exclude holds .*; expected ids"),
        ({"users": ["u1"], "alone": True}, "alone lists the items that were added"),
    ],
)
def test_a_wrong_request_is_one_line(
    service: RecommendationService, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(RequestError, match=f"^[^\n]*{says}[^\n]*$"):
        service.recommend(**given)


def test_what_is_unknown_beside_what_is_known_is_counted(service: RecommendationService) -> None:
    found = service.recommend(histories=[["i1", "x", "y"], ["z"], []], exclude=["i2", "w"], k=np.int64(50))
    assert ids(found[0]) == ids(service.recommend(histories=[["i1"]], exclude=["i2"], k=50)[0])
    assert found[1] == found[2] == []
    notes = [
        "3 of 4 items of the histories are unknown to .*: 'x', 'y', 'z'",
        "1 of 2 items of exclude are unknown to .*: 'w'",
        "2 of 3 histories hold no item that .* knows: nothing is recommended for them",
    ]
    for note, line in zip(notes, found.notes, strict=True):
        assert re.fullmatch(note, line), line


def test_threads_share_a_service(service: RecommendationService) -> None:
    histories = [[f"i{n % ITEMS}", f"i{(n * 7 + 1) % ITEMS}"] for n in range(64)]
    expected = [service.recommend(histories=[each])[0] for each in histories]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda each: service.recommend(histories=[each])[0], histories)) == expected


def newer(tmp_path: Path) -> Dataset:
    """Other numbers of the same items, an item more, a user more."""
    more = [f"new,u{user},9" for user in range(4)] + ["i2,late,0", "new,late,1", "i7,late,2", "new,only,3"]
    (tmp_path / "newer").mkdir()
    source = log(tmp_path / "newer", more=reversed(more))
    return pixelrec.prepare(source, out=tmp_path / "newer" / "data")


def test_newer_data_serves_by_ids(run: Run, service: RecommendationService, tmp_path: Path) -> None:
    other = pixelrec.load(run, data=newer(tmp_path))
    assert (
        other.notes[0].endswith(
            "1 of its 13 items are unknown to the run and never recommended, 5 events of them are skipped"
        )
        or "1 of its 13 items" in other.notes[0]
    )
    found = other.recommend(users=["u1", "late", "only"], k=5)
    assert found[0] == service.recommend(users=["u1"], k=5)[0], "a new item at the end is left out"
    assert found[1] == service.recommend(histories=[["i2", "i7"]], k=5)[0]
    assert found[2] == [] and "1 of 3 histories hold no item" in found.notes[-1]
    everyone = [row for part in other.for_all_users(k=5) for row in part]
    assert len(everyone) == USERS + 2


def test_without_a_data_set_histories_are_served(run: Run, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(run.folder, tmp_path / "run"))
    about = json.loads((alone / "run.json").read_text())
    (alone / "run.json").write_text(json.dumps(about | {"data": "/gone", "data_from_here": "gone"}))
    service = pixelrec.load(alone)
    assert service.recommend(histories=[["i1"]])[0] == pixelrec.load(run).recommend(histories=[["i1"]])[0]
    with pytest.raises(RequestError, match="no longer at /gone; give one with --data"):
        service.recommend(users=["u1"])


def test_a_model_of_known_users_takes_no_other_data(tmp_path: Path, run: Run) -> None:
    data = run.dataset()
    known = pixelrec.train("mf-id", data=data, out=tmp_path / "mf", overrides={"training.epochs": 1})
    assert pixelrec.load(known).recommend(users=["u1"], k=2)[0]
    with pytest.raises(RequestError, match="mf has a vector for each user .* and .*newer/data is other data"):
        pixelrec.load(known, data=newer(tmp_path)).recommend(users=["u1"])


def test_queries_of_any_kind_are_answered_at_once(service: RecommendationService) -> None:
    forms: list[dict[str, Any]] = [
        {"users": ["u3"], "k": 2},
        {"histories": [["i1", "i7"], ["i3"]], "k": 5, "exclude": [["i2"], ["i5", "i9"]]},
        {"users": ["u4"], "k": 3, "seen": True},
        {"histories": [["i3", "nowhere"]], "k": 1},
        {"users": ["u3"], "k": 2, "among": ["i1", "i2", "i11"]},
        {"histories": {"a": ["i4"] * 6}, "k": 4, "exclude": [["i0"]]},
    ]
    found = service.answers([service.query(**form) for form in forms])
    for form, lists in zip(forms, found, strict=True):
        alone = service.recommend(**form)
        assert [ids(each) for each in lists] == [ids(each) for each in alone]
        assert (lists.notes, lists.names) == (alone.notes, alone.names)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_all_users_are_written_whole(
    run: Run, service: RecommendationService, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.runs.recommend.USERS", 7)
    out = tmp_path / f"all.{suffix}"
    words = ["recommend", str(run.folder), "--all-users", "--out", str(out), "-k", "3", "--exclude", "i0"]
    assert main(words) == 0
    readers = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}
    found = readers[suffix](out)
    users = run.dataset().user_ids.to_list()
    expected = service.recommend(users=users, k=3, exclude=["i0"]).frame()
    assert found.drop("score").equals(expected.drop("score"))
    before = out.read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise RequestError("stopped in the middle")

    parts = iter([broken])
    answer = RecommendationService.answer
    monkeypatch.setattr(
        RecommendationService,
        "answer",
        lambda self, query: next(parts)() if query.requests.names[0] == users[14] else answer(self, query),
    )
    assert main(words) == 2
    assert out.read_bytes() == before and list(tmp_path.iterdir()) == [out]


def test_files_of_ids_and_of_histories(
    run: Run, service: RecommendationService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock, past = tmp_path / "stock.txt", tmp_path / "past.csv"
    stock.write_text("i0\ni2\n\nnone\n", encoding="utf-8")
    past.write_text("user_id,item_id\n7,i1\n8,i3\n7,i4\n", encoding="utf-8")
    words = ["recommend", str(run.folder), "--histories", str(past), "--among", str(stock), "--form", "csv"]
    assert main(words) == 0
    printed = capsys.readouterr()
    expected = service.recommend(histories={"7": ["i1", "i4"], "8": ["i3"]}, among=["i0", "i2"]).frame()
    assert [line.split(",")[:3] for line in printed.out.splitlines()[1:]] == [
        list(map(str, row)) for row in expected.select("user_id", "rank", "item_id").iter_rows()
    ]
    assert "1 of 3 items of among are unknown" in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--histories", "none.txt"],
            "none.txt: no such file; expected columns user_id and item_id",
        ),
        (
            ["--histories", "x.csv"],
            "x.csv: no column 'user_id'; the columns are 'user', 'item_ids'; expected",
        ),
        (["--histories", "x.parquet"], "x.parquet: no column 'user_id'; the columns are 'user', 'item_ids'"),
        (["--histories", "x.jsonl"], "x.jsonl: no column 'user_id'; the columns are 'user', 'item_ids'"),
        (["--histories", "."], ".: cannot be read (is a folder, not a file); expected columns user_id and"),
        (["--history", "i1", "--among", "x.csv"], "x.csv: no column 'item_id'; the columns are 'user', "),
        (
            ["--history", "i1", "--among", "amung.txt"],
            "amung.txt: no such file; among takes ids of items, or",
        ),
        (["--history", "i1", "--exclude", "i2", "gone.json"], "gone.json: no such file; exclude takes ids"),
        (["--history", "i1", "--among", "x.txt"], "x.txt: is a NumPy array; convert it to CSV or Parquet"),
        (["--histories", "cut.jsonl"], "cut.jsonl, line 2: not readable as JSON"),
    ],
    ids=lambda each: each[-1] if isinstance(each, list) else "",
)
def test_a_file_of_a_request_that_cannot_be_used(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    folder = run.folder.resolve()
    monkeypatch.chdir(tmp_path)
    table = pl.DataFrame({"user": [7], "item_ids": ["i1"]})
    table.write_csv("x.csv"), table.write_parquet("x.parquet"), table.write_ndjson("x.jsonl")
    Path("x.txt").write_bytes(b"\x93NUMPY")
    Path("cut.jsonl").write_text('{"user_id": 7, "item_id": "i1"}\n{"user_id": 7, "it', encoding="utf-8")
    assert main(["recommend", str(folder), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("separator", "header", "encoding", "told"),
    [
        (";", "User ID;item_id", "utf-16", "past.csv.gz: read as a table separated by semicolons, in utf-16"),
        ("\t", "user_id:token\titem_id:token", "utf-8", "past.csv.gz: read as a table separated by tabs"),
    ],
)
def test_files_of_a_request_are_read_in_every_dialect(
    run: Run, tmp_path: Path, separator: str, header: str, encoding: str, told: str
) -> None:
    lines = [header, *(f"{user}{separator}{item}" for user, item in [("7", "i1"), ("8", "i3"), ("7", "i4")])]
    past, stock = tmp_path / "past.csv.gz", tmp_path / "stock.txt"
    past.write_bytes(gzip.compress("".join(f"{line}\r\n" for line in lines).encode(encoding)))
    stock.write_text("i0\ni2\n", encoding=encoding)
    notes: list[str] = []
    found = pixelrec.recommend(run, histories=past, among=stock, on_note=notes.append)
    expected = pixelrec.recommend(run, histories={"7": ["i1", "i4"], "8": ["i3"]}, among=["i0", "i2"])
    assert found.equals(expected)
    assert notes == [told]


@pytest.mark.parametrize("form", ["rows.jsonl", "lists.jsonl", "lists.parquet", "rows.parquet"])
def test_histories_come_in_rows_or_lists(service: RecommendationService, tmp_path: Path, form: str) -> None:
    past, stock = tmp_path / form, tmp_path / "stock.jsonl"
    rows = pl.DataFrame({"user_id": [7, 8, 7], "item_id": ["i1", "i3", "i4"]})
    lists = pl.DataFrame({"user_id": [7, 8], "item_ids": [["i1", "i4"], ["i3"]]})
    table = rows if form.startswith("rows") else lists
    (table.write_ndjson if past.suffix == ".jsonl" else table.write_parquet)(past)
    stock.write_text('{"item_id": "i0"}\n{"item_id": "i2"}\n', encoding="utf-8")
    expected = service.recommend(histories={"7": ["i1", "i4"], "8": ["i3"]}, among=["i0", "i2"])
    found = service.recommend(histories=past, among=stock)
    assert found.frame().equals(expected.frame())
    (everyone,) = service.for_all_users(k=2, among=stock)
    assert set(everyone.frame()["item_id"]) <= {"i0", "i2"}


def test_a_user_with_an_empty_list_gets_nothing(service: RecommendationService, tmp_path: Path) -> None:
    past = tmp_path / "past.jsonl"
    past.write_text('{"user_id": "a", "item_ids": []}\n{"user_id": "b", "item_ids": ["i1"]}\n', "utf-8")
    found = service.recommend(histories=past, k=2)
    assert [len(each) for each in found] == [0, 2] and found.names == ["a", "b"]


def test_a_missing_title_is_a_dash(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", str(run.folder), "--user", "u1", "-k", "12", "--seen"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert sum(row.rstrip().endswith("–") for row in rows) == ITEMS // 2


@pytest.mark.parametrize("damage", ["empty", "half", "bit", "text", "null", "list", "link", "pipe"])
@pytest.mark.parametrize(
    "name", ["run.json", "items.parquet", "recipe.yaml", "best/model.safetensors", "best/recommender.json"]
)
def test_a_damaged_run_is_one_line_or_the_same_result(
    run: Run, service: RecommendationService, name: str, damage: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    path = folder / name
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.unlink()
    if damage == "link":
        path.symlink_to(path)
    elif damage == "pipe":
        os.mkfifo(path)
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        damages = {"empty": b"", "half": whole[:middle], "bit": flipped, "text": b"\xff\x00text"}
        path.write_bytes((damages | {"null": b"null", "list": b"[[1]]"})[damage])
    try:
        found = pixelrec.load(folder, data=run.dataset()).recommend(users=["u1", "u2"])
    except PixelrecError as error:
        assert "\n" not in str(error) and str(folder) in str(error)
    else:
        assert list(found) == list(service.recommend(users=["u1", "u2"]))
