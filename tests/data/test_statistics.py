"""Statistics against counts by hand; the table and the picture."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from pixelrec.cli.show_statistics import print_statistics
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.statistics import item_popularity, save_picture, statistics, user_lengths

SVG = "{http://www.w3.org/2000/svg}"

# u: a b a a (two repeats, one of them held out), v: b a, w: c a b
EVENTS = ["a,u,0", "b,u,10", "a,u,20", "a,u,90000", "b,v,30", "a,v,40", "c,w,50", "a,w,60", "b,w,70"]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    (tmp_path / "x.csv").write_text("\n".join(["item_id,user_id,timestamp", *EVENTS]), encoding="utf-8")
    (tmp_path / "items.csv").write_text("item_id,title,likes\na,A,1\nb,,\n", encoding="utf-8")
    return prepare(tmp_path / "x.csv", out=tmp_path / "out", items=tmp_path / "items.csv")


def test_statistics_by_hand(dataset: Dataset) -> None:
    assert user_lengths(dataset).tolist() == [4, 2, 3]
    assert item_popularity(dataset).tolist() == [5, 3, 1]
    found = statistics(dataset)
    assert (found.users, found.items, found.interactions, found.not_evaluated) == (3, 3, 9, 1)
    assert found.sparsity == pytest.approx(2 / 9)
    assert found.repeats == pytest.approx(2 / 9)
    assert found.repeated_tests == pytest.approx(1 / 2)
    assert found.undescribed == 2
    assert (found.first, found.last) == (
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 2, 1, tzinfo=UTC),
    )
    assert (found.length.mean, found.length.median, found.length.largest) == (3, 3, 4)
    assert (found.popularity.mean, found.popularity.median, found.popularity.largest) == (3, 3, 5)


@pytest.mark.parametrize("width", [80, 60, 40])
def test_the_table_is_complete_on_narrow_terminals(dataset: Dataset, width: int) -> None:
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as captured:
        print_statistics(statistics(dataset), console)
    text = captured.get()
    for part in (
        "users",
        "sparsity",
        "22.22 %",
        "evaluated",
        "1970-01-02 01:00",
        "per item",
        "3.0 / 3 / 5",
    ):
        assert part in text
    assert "…" not in text


def test_the_picture_shows_both_diagrams_and_the_median(dataset: Dataset) -> None:
    text = (dataset.folder / "stats.svg").read_text(encoding="utf-8")
    picture = ElementTree.fromstring(text)
    words = [each.text for each in picture.iter(f"{SVG}text")]
    assert {"How long are histories?", "How long is the tail?", "median 3", "events of a user"} <= set(words)
    assert len(list(picture.iter(f"{SVG}polyline"))) == 2
    assert "3 in the median and 4 at most" in (picture.findtext(f"{SVG}title") or "")
    assert len(text) < 50_000


def test_a_picture_of_the_smallest_data_set(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item_id,user_id,timestamp\na,u,1\na,u,2\na,u,3\n", encoding="utf-8")
    dataset = prepare(tmp_path / "x.csv", out=tmp_path / "out")
    save_picture(dataset, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (dataset.folder / "stats.svg").read_bytes()
    assert "nan" not in (tmp_path / "again.svg").read_text(encoding="utf-8")
    found = statistics(dataset)
    assert found.repeats == pytest.approx(2 / 3)
    assert (found.sparsity, found.repeated_tests, found.exact_repeats) == (0, 1, 0)
