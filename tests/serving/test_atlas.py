"""The map of covers: its page with and without script, and what the script asks for."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html import unescape
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pixelrec.console.progress import OnProgress
from pixelrec.errors import RequestError
from pixelrec.insight.atlas import Atlas
from pixelrec.insight.pyramid import Pyramid
from pixelrec.insight.tiles import Tiles
from pixelrec.serving.app import make_app
from pixelrec.serving.served_atlas import Map, ServedAtlas
from pixelrec.serving.shop import Shop

HOSTILE = "<script>\"&'\u202e"
HUGE = "9" * 30


@pytest.fixture(scope="module")
def found(shop: Shop) -> Map:
    made = shop.run("pixels").atlas.ready(60)
    assert made is not None
    return made


def data_of(text: str) -> dict[str, Any]:
    shown = re.search(r"data-atlas='([^']*)'", text)
    assert shown is not None
    data: dict[str, Any] = json.loads(unescape(shown[1]))
    return data


def test_without_script_the_page_lists_all_items(client: TestClient, found: Map) -> None:
    listed: list[str] = []
    for number in (1, 2, 3):
        text = client.get("/atlas", params={"run": "pixels", "page": number}).text
        assert f"–{min(48 * number, 120)} of 120" in text and "z=0&amp;x=0&amp;y=0" in text
        listed += re.findall(r'href="/item\?id=(\w+)&amp;run=pixels"', text)
    order = found.pyramid.order
    assert listed == found.items["item_id"].gather(order).to_list()
    assert (np.diff(found.pyramid.counts[order]) <= 0).all()


def test_the_script_finds_tiles_points_and_items(client: TestClient, found: Map) -> None:
    data = data_of(client.get("/atlas", params={"run": "pixels"}).text)
    assert [layer["name"] for layer in data["layers"]] == ["popularity", "age", "cluster", "error"]
    tile = client.get(f"{data['tile']}&z=0&x=0&y=0")
    assert tile.headers["content-type"] == "image/webp" and "max-age" in tile.headers["cache-control"]
    assert Image.open(io.BytesIO(tile.content)).size == (data["pixels"],) * 2
    points = client.get(data["points"]).content
    assert len(points) == data["items"] * (4 + len(data["layers"]))
    cells = np.frombuffer(points, "<u2", 2 * data["items"]).reshape(-1, 2)
    assert (cells == found.atlas.cells).all()
    x, y = cells[7].tolist()
    there = client.get(f"{data['list']}&left={x}&top={y}&right={x + 1}&bottom={y + 1}").json()
    assert there["count"] == 1 and there["items"][0]["id"] == found.items["item_id"][7]
    everything = client.get(f"{data['list']}&left=0&top=0&right={data['side']}&bottom={data['side']}").json()
    assert everything["count"] == data["items"] and len(everything["items"]) == 48


def test_an_item_is_found_by_its_id_before_longer_ones(client: TestClient, found: Map) -> None:
    ids = found.items["item_id"]
    sought = next(item for item in ids if ids.str.contains(item, literal=True).sum() > 1)
    listed = client.get("/atlas/find", params={"run": "pixels", "text": sought}).json()["items"]
    assert listed[0]["id"] == sought and all(sought in f"{each['id']} {each['title']}" for each in listed)
    row = ids.index_of(sought)
    assert [listed[0]["x"], listed[0]["y"]] == found.atlas.cells[row].tolist()
    assert listed[0]["href"] in unescape(client.get("/atlas", params={"run": "pixels", "text": sought}).text)
    assert client.get("/atlas/find", params={"run": "pixels", "text": " "}).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/atlas?run=../ids", 422),
        ("/atlas?page=0", 422),
        ("/atlas?page=99999", 200),
        (f"/atlas?text={'x' * 201}", 422),
        ("/atlas?text=%3Cscript%3E%00", 200),
        ("/atlas/tile?z=0&x=0&y=1", 422),
        ("/atlas/tile?z=-1&x=0&y=0", 422),
        (f"/atlas/tile?z={HUGE}&x=0&y=0", 422),
        (f"/atlas/tile?z=0&x={HUGE}&y=0", 422),
        ("/atlas/tile?z=../0&x=0&y=0", 422),
        ("/atlas/items?left=0&top=0&right=nan&bottom=1", 422),
        (f"/atlas/items?left=-{HUGE}&top=0&right=1&bottom=1", 422),
        ("/atlas/items?left=5&top=5&right=1&bottom=1", 200),
        ("/atlas/points?run=", 422),
        ("/atlas/find?text=%5B(*", 200),
    ],
)
def test_odd_requests_are_answered(client: TestClient, found: Map, path: str, status: int) -> None:
    assert len(found.items)
    assert client.get(path).status_code == status


def test_titles_and_ids_are_text(shop: Shop, found: Map, monkeypatch: pytest.MonkeyPatch) -> None:
    items = pl.DataFrame({"item_id": [HOSTILE, "b"], "title": [HOSTILE, None]})
    cells = np.array([[0, 0], [1, 0]], np.int16)
    tiles = Tiles(Pyramid(8, cells, np.zeros(2, int)), items["item_id"], None)
    odd = Map(Atlas(8, cells, np.zeros(2, np.int16), ""), found.layers[:1], items, tiles)
    atlas = SimpleNamespace(ready=lambda _wait=0: odd, progress="")
    monkeypatch.setattr("pixelrec.serving.served_run.ServedRun.atlas", atlas)
    client = TestClient(make_app(shop))
    text = client.get("/atlas").text
    assert "<script>" not in text and "&lt;script&gt;" in text
    listed = client.get("/atlas/items?left=0&top=0&right=8&bottom=8").json()["items"]
    assert [each["title"] for each in listed] == [HOSTILE, "b"]


def test_a_page_says_how_far_the_map_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = Event()

    def slow(on_progress: OnProgress) -> Map:
        on_progress("map: 40% of the steps")
        goes_on.wait(30)
        raise RequestError("no map")

    atlas = ServedAtlas(slow)
    monkeypatch.setattr("pixelrec.serving.served_run.ServedRun.atlas", atlas)
    monkeypatch.setattr("pixelrec.serving.pages.atlas._WAIT", 0.05)
    client = TestClient(make_app(shop))
    waiting = client.get("/atlas")
    assert "40% of the steps" in waiting.text and waiting.headers["refresh"] == "3"
    assert client.get("/atlas/tile?z=0&x=0&y=0").status_code == 503
    goes_on.set()
    with pytest.raises(RequestError, match="no map"):
        atlas.ready(30)
    assert client.get("/atlas").status_code == 422


def test_a_map_is_made_once_for_many_visitors() -> None:
    made: list[int] = []
    make: Callable[[OnProgress], Any] = lambda _: made.append(1) or "map"  # noqa: E731
    atlas = ServedAtlas(make)
    visitors = [Thread(target=atlas.ready, args=(10,)) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert atlas.ready() == "map" and made == [1]
