"""The page of an item: what it shows are the figures of the library, whatever the item and the run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from fastapi.testclient import TestClient

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.insight.behaviour import Behaviour
from pixelrec.insight.neighbours import nearest_by_vector
from pixelrec.serving.app import make_app
from pixelrec.serving.item_facts import ItemFacts, in_words, users_looked_at
from pixelrec.serving.pages.item import figures
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop

HOSTILE = "</script><b>&'\"../\u202e%00\x1b[31m\N{GRINNING FACE}"


def part(page: str, label: str) -> list[str]:
    """The items of the list with this label."""
    inside = page.split(f'aria-label="{label}"')[1].split("</ol>")[0]
    return re.findall(r'href="/item\?id=([^"&]*)', inside)


@pytest.mark.parametrize("run", ["ids", "pixels"])
def test_neighbours_ranks_and_users_are_those_of_the_library(
    client: TestClient, shop: Shop, run: str
) -> None:
    page, service = client.get(f"/item?id=i3&run={run}").text, shop.runs[run].service
    near = nearest_by_vector(service, ["i3"], 12)["item_id"].to_list()
    assert part(page, "Nearest items by vector") == near
    together = Behaviour.of(service).nearest("i3", 12)["item_id"].to_list()
    assert part(page, "Items that the same users have") == together
    assert ("Alike by picture" in page) == (run == "pixels")
    assert ("reads no pictures" in page) == (run == "ids")
    found = re.findall(r'/user\?id=(u\d+)&amp;run=\w+" dir="auto">.*?rank ([\d,]+)', page)
    users = shop.dataset.user_ids.to_list()  # type: ignore[union-attr]
    lists = service.recommend(users=users, k=len(service.items))
    ranks = {u: r.rank for u, each in zip(users, lists, strict=True) for r in each if r.item_id == "i3"}
    assert [int(rank) for _, rank in found] == sorted(ranks.values())[: len(found)]
    assert all(ranks[user] == int(rank) for user, rank in found) and len(found) == 8
    share = 100 * sum(rank <= 10 for rank in ranks.values()) / len(ranks)
    assert f"{share:.1f}<small>%</small>" in page
    assert page.count("<circle") == len(users) - len(ranks) - _first(shop, run)


def test_figures_are_drawn_of_the_frames(shop: Shop) -> None:
    facts = ItemFacts.of(shop, shop.runs["ids"], "i3")
    periods, ranks = figures(facts)
    over, table = facts.over_time, facts.ranks
    assert over is not None and not isinstance(table, str)
    heights = [bar.height for bar in periods.bars]
    assert heights.index(max(heights)) == over["events"].arg_max() and len(heights) == len(over)
    assert (np.diff([dot.y for dot in ranks.dots])[np.diff(table["rank"]) > 0] > 0).all()
    for split, median in ranks.medians.items():
        assert median == round(np.median(table.filter(pl.col("split") == split)["rank"]))


def _first(shop: Shop, run: str) -> int:
    """Users whose first event is of the item: it cannot be ranked then."""
    facts = ItemFacts.of(shop, shop.runs[run], "i3")
    place, ranks = facts.place, facts.ranks
    assert not isinstance(place, str) and not isinstance(ranks, str)
    return place.owners - len(ranks)


def test_unknown_items_are_not_found(client: TestClient) -> None:
    for word in ("zzz", HOSTILE, "../../etc/passwd", "\x00", "i" * 1500):
        found = client.get("/item", params={"id": word})
        assert found.status_code == 404
        assert "unknown item" in found.text and "<b>&" not in found.text
    assert client.get("/item").status_code == client.get(f"/item?id={'i' * 3000}").status_code == 422
    assert client.get("/item?id=i3&users=999999999").status_code == 422
    assert client.get("/item?id=i3&run=nope").status_code == 422


def test_new_items_and_those_without_a_cover_have_a_page(shop: Shop) -> None:
    """With a hostile id and title, in a run that knows it and in one that does not."""
    ids = shop.runs["ids"]
    more = pl.concat(
        [ids.service.items, pl.DataFrame({"item_id": [HOSTILE], "title": [HOSTILE]})], how="diagonal"
    )
    wider = ServedRun("wider", ids.service.extended(torch.randn(1, 16), more), {})
    client = TestClient(make_app(Shop({"wider": wider, "ids": ids})))
    page = client.get("/item", params={"id": HOSTILE})
    assert page.status_code == 200
    for word in (
        "no cover",
        "No user of the training events has this item",
        "There are no events of this item",
    ):
        assert word in page.text
    assert "</script><b>" not in page.text and "\x1b" not in page.text and "\u202e" not in page.text
    assert client.get("/item", params={"id": HOSTILE, "run": "ids"}).status_code == 404
    newest = client.get("/items?sort=new").text
    assert newest.index("new: no events") < newest.index("1 event")


def test_published_runs_and_blends_say_what_is_missing(
    run_folders: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    runs = [pixelrec.Run.open(folder) for folder in run_folders]
    runs[1].save_pretrained(tmp_path / "published")
    mixed = pixelrec.blend(runs, data=dataset, out=tmp_path / "mixed").run
    opened = Shop.open([pixelrec.Run.open(tmp_path / "published"), mixed])
    client = TestClient(make_app(opened))
    page = client.get("/item?id=i3&run=published").text
    for word in (
        "Alike by picture",
        "training events of",
        "are not there",
        "published run, which holds nothing",
    ):
        assert word in page
    assert part(page, "Nearest items by vector")
    page = client.get("/item?id=i3&run=mixed").text
    for word in ("is a blend, which has no item vectors", "Who would get it", "Median rank"):
        assert word in page
    assert part(page, "Items that the same users have")
    alone = TestClient(make_app(Shop({"published": opened.runs["published"]})))
    assert alone.get("/item?id=i3").status_code == alone.get("/items").status_code == 200


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0.1, "0.1"),
        (1234567.5, "1234567.5"),
        (True, "True"),
        (["a", None, 3], "a, –, 3"),
        ({"size": 3, "of": []}, "size: 3; of: –"),
        (b"\x00\x01", "2 bytes"),
    ],
)
def test_information_of_any_type_is_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_large_catalogues_are_looked_at_for_fewer_users(
    shop: Shop, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = shop.first.service
    assert users_looked_at(service) == 2000
    monkeypatch.setattr("pixelrec.serving.item_facts.PAIRS", 120 * 300)
    assert users_looked_at(service) == 300 and users_looked_at(service, items=3) == 200
    page = client.get("/item?id=i3").text
    assert "300 of 400 users, drawn with seed 0" in page and "users=400" in page
    assert "All 400 users" in client.get("/item?id=i3&users=400").text
    monkeypatch.setattr("pixelrec.serving.item_facts.MOST_PAIRS", 120 * 350)
    assert "350 of 400 users, drawn" in client.get("/item?id=i3&users=20000").text
    monkeypatch.setitem(service.ranker.__dict__, "at_once", 64)
    assert users_looked_at(service) == 15


def test_final_runs_count_all_events(run_folders: list[Path], dataset: Dataset, tmp_path: Path) -> None:
    final = pixelrec.train_final(run_folders[0], out=tmp_path / "final")
    shop = Shop.open([final, pixelrec.Run.open(run_folders[0])])
    events = [run.indices.items()["events"].sum() for run in shop.runs.values()]
    assert events == [dataset.interactions, len(dataset.event_items) - dataset.evaluated.sum()]
    page = TestClient(make_app(shop)).get("/item?id=i3&run=final").text
    assert "at-training" in page and "at-test" not in page and "Median rank" in page
