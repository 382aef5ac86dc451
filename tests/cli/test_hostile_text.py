"""Ids, titles and names of files that attack their reader, in all that is printed or written."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pixelrec.cli.main import main

ATTACKS = (
    "\x1b]0;owned\x07",
    "\x1b[2J\x9b31m",
    "\u202egnp.exe\u2066",
    "zero\u200bwidth\ufeff",
    "[red]x[/red]",
    "[link=http://evil]y[/link]",
    "=HYPERLINK(1)",
    "+1|calc",
    "@SUM(1)",
    "-2+3",
    "\t=1",
    "<script>alert(1)</script>",
)
OWN = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*m|[0-9]*[AKG])|\r")  # colours, and lines that are drawn again
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
FORMULA = tuple("=+-@\t\r\n")
NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")
TINY = "--length=4 --items.width=8 --users.heads=1 --users.layers=1 --training.epochs=1"

Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Runs a command on a terminal: what that shows, when nothing in it is obeyed."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "400")

    def run(*words: object, status: int = 0) -> str:
        found = main([str(word) for word in words])
        shown = "".join(capsys.readouterr())
        text = OWN.sub("", shown)
        assert found == status, text
        assert not RAW.search(text), f"{words}: {text!r}"
        return text

    yield run


def write_log(path: Path, header: str, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(), *rows])
    return path


def demand_harmless(folder: Path) -> set[str]:
    """Cells of CSV files run nothing, pages hold no active tag, and neither holds a control character."""
    found = {path for kind in ("csv", "html", "md") for path in folder.rglob(f"*.{kind}")}
    for path in found:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(StringIO(text, newline="")) for cell in row]
            assert not [cell for cell in cells if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell)]
        else:
            assert "<script>alert" not in text and not RAW.search(text), path
    return {path.name for path in found}


def test_nothing_of_the_data_is_obeyed(said: Said, tmp_path: Path) -> None:
    covers, made = tmp_path / "covers\x1b[2J", tmp_path / "made"
    covers.mkdir()
    made.mkdir()
    users = [f"{attack}u" for attack in ATTACKS]
    items = [f"{attack}i" for attack in ATTACKS]
    rows = [(items[(u + n) % 12], users[u], 100 * n + u) for u in range(12) for n in range(6)]
    log = write_log(tmp_path / "log[red]\x1b[2J.csv", "item_id user_id timestamp", rows)
    about = write_log(
        tmp_path / "items.csv", "item_id title", [(i, f"{a}t") for i, a in zip(items, ATTACKS, strict=True)]
    )
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), np.uint8)
    for item, picture in zip(items, pixels, strict=True):
        if "/" not in item and not item.startswith("+"):
            Image.fromarray(picture).save(covers / f"{item}.png")
    (covers / f"{items[7]}.png").write_bytes(b"no picture")

    data = made / "data\x1b[2J"
    said("prepare", log, "--items", about, "--out", data)
    said("prepare", log, "--out", data, status=2)
    said("prepare", log, "--items", log, "--out", made / "x", "--item-column", "\x1b[2Jno", status=2)
    said("prepare", covers, "--out", made / "x", status=2)
    said("images", "check", covers)
    said("images", "check", covers, "--data", data)
    said("images", "pack", covers, "--data", data, "--size", 16, status=2)
    said("images", "pack", covers, "--data", data, "--size", 16, "--missing", "grey")
    said("cache", data)

    recipe = tmp_path / "[red]x.yaml"
    recipe.write_text("about: '[link=evil]'\nitems: {width: 8}\nusers: {name: mf}\n", encoding="utf-8")
    assert "[link=evil]" in said("recipes", recipe)
    said("train", tmp_path / "\x1b[2J.yaml", "--data", data, status=2)
    said("train", "sasrec-id", "--data", data, "--users.\x1b[2J", "1", status=2)
    said("train", "sasrec-id", "--data", data, "--training.epochs", "\x1b[2J\u202e", status=2)
    said("train", recipe, "--data", data, "--out", made / "a\u202e", "--training.epochs", 1)
    said("train", "sasrec-id", "--data", data, "--out", made / "b", *TINY.split())
    assert "[red]x" in said("evaluate", made / "a\u202e")
    said("evaluate", made / "b", "--no-report")
    said("compare", made / "a\u202e", made / "b")
    said("report", made / "a\u202e", "--beside", made / "b")

    users_given = [word for user in users for word in (f"--user={user}",)]
    shown = said("recommend", made / "b", *users_given)
    assert "[red]x[/red]i" in shown and "[link=http://evil]y[/link]" in shown
    for form in ("csv", "json"):
        said("recommend", made / "b", *users_given, "--form", form)
    said("recommend", made / "b", "--user", "\x1b[2J\u202e", status=2)
    said("recommend", made / "b", f"--history={items[0]}")
    said("recommend", made / "b", *users_given, "--out", made / "some.csv")
    said("recommend", made / "b", "--all-users", "--out", made / "all.csv")
    names = demand_harmless(made)
    assert {"covers.lmdb.unusable.csv", "report.html", "some.csv", "all.csv"} <= names


def test_nothing_of_features_is_obeyed(said: Said, tmp_path: Path) -> None:
    attacks, made = (*ATTACKS, "../../up", "/etc/x"), tmp_path / "deep" / "made"
    items = [f"{attack}i" for attack in attacks]
    rows = [(items[(u + n) % len(items)], f"u{u}", 100 * n + u) for u in range(12) for n in range(6)]
    log = write_log(tmp_path / "log.csv", "item_id user_id timestamp", rows)
    titles = [(item, f"{attack}t") for item, attack in zip(items, attacks, strict=True)]
    data = made / "data\x1b[2J"
    said("prepare", log, "--items", write_log(tmp_path / "i.csv", "item_id title", titles), "--out", data)
    vectors = np.random.default_rng(0).normal(size=(len(items), 4)).astype("f4")
    given, other = tmp_path / "v\x1b[2J<script>alert(1)<.parquet", tmp_path / "w.parquet"
    pl.DataFrame({"item_id": items, "vector": vectors}).write_parquet(given)
    pl.DataFrame({"item_id": [*items, "\x1b[2J"], "vector": [[0.0]] * 15}).write_parquet(other)
    said("features", "import", other, "--data", data, status=2)
    said("features", "import", given, "--data", data)
    (features,) = (data / "features").iterdir()
    said("features", "inspect", features, "--data", data, "--page", made / "inspect.html")
    said("features", "inspect", features, "--data", data, "--json")
    said("features", "export", features, "--out", made / "v.parquet")
    asked = [f"--item={item}" for item in items]
    shown = said("similar", features, *asked, "-k", 3, "--data", data, "--sheet", made / "sheet.html")
    assert "[red]x[/red]i" in shown and "[red]x[/red]t" in shown and "../../upi" in shown
    for form in ("csv", "json"):
        said("similar", features, *asked, "-k", 3, "--data", data, "--form", form)
    said("similar", features, *asked, "-k", 3, "--data", data, "--out", made / "similar.csv")
    said("similar", features, "--item=\x1b[2J\u202e", status=2)
    said("similar", features, asked[0], "--treatment=\x1b[2J", status=2)
    said("codes", "fit", features, "--out", made / "codes\x1b[2J", "--levels", 2, "--size", 4)
    said("codes", "fit", features, "--out", made / "codes\x1b[2J", "--levels", 2, "--size", 4, status=2)
    said("similar", made / "codes\x1b[2J", asked[0], status=2)
    names = demand_harmless(made)
    assert {"inspect.html", "sheet.html", "similar.csv"} <= names
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv", "i.csv", given.name, "w.parquet", "deep"}
    assert list((tmp_path / "deep").iterdir()) == [made]
