"""The page of new covers: places as the library computes them, and pictures that come from anywhere."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import World
from pixelrec.serving.app import make_app
from pixelrec.serving.limits import Limits
from pixelrec.serving.new_covers import NewCovers, item_names, refusal
from pixelrec.serving.shelf import Picture, Shelf
from pixelrec.serving.shop import Shop

MOST = Limits().pixels


@pytest.fixture(scope="module")
def covers(world: World) -> list[Path]:
    return sorted(world.covers.iterdir())[:3]


def send(client: TestClient, files: list[tuple[str, bytes]], **fields: str) -> Any:
    sent = [("pictures", (name, data, "image/jpeg")) for name, data in files]
    return client.post("/new", data={"run": "pixels", **fields}, files=sent)


def named(paths: list[Path]) -> list[tuple[str, bytes]]:
    return [(f"new-{path.name}", path.read_bytes()) for path in paths]


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_places_are_the_ranks_of_added_covers(shop: Shop, covers: list[Path], tmp_path: Path) -> None:
    for name, data in named(covers):
        (tmp_path / name).write_bytes(data)
    run = shop.runs["pixels"]
    found = NewCovers.of(run, [Picture.of(*each, MOST) for each in named(covers)], MOST)
    added = run.service.add([tmp_path / name for name in found.names])
    users = added.user_events().dataset.user_ids.to_list()
    ranks: dict[str, dict[str, int]] = {name: {} for name in found.names}
    for user, each in zip(users, added.recommend(users=users, alone=True), strict=True):
        for one in each:
            ranks[str(one.item_id)][user] = one.rank
    assert not isinstance(found.places, str)
    for place in found.places:
        assert dict(place.users.select("user_id", "rank").iter_rows()) == ranks[place.item_id]
    mine = found.in_list("u7", (), 120)
    assert mine.ranks == {name: ranks[name]["u7"] for name in found.names}
    assert found.names[0] in {each.item_id for each in mine.best}


def test_pictures_are_sent_shown_and_answered(client: TestClient, covers: list[Path]) -> None:
    page = send(client, named(covers[:2]), user="u7")
    assert page.status_code == 200 and page.history[0].status_code == 303
    item = covers[0].stem
    near = page.text.split('aria-label="Items nearest to new-')[1].split("</ol>")[0]
    assert re.findall(r"/item\?id=([^\"&]*)", near)[0] == item and "cosine 1.00" in near
    for word in (
        "In the top 10 of",
        "Median rank",
        "What it leans on",
        "Most likely users",
        "beside the catalogue",
    ):
        assert word in page.text
    shown = set(re.findall(r'"(/new/picture\?name=[^"]*)"', page.text))
    assert len(shown) == 2
    picture = client.get(shown.pop())
    assert picture.headers["content-type"] in ("image/webp", "image/jpeg")
    assert picture.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(picture.content)).size[0] > 10
    again = client.get(page.url.path, params={**page.url.params, "user": "", "history": "i3, i4\ni5"})
    assert "The list, new covers in it" in again.text
    unknown = client.get(page.url.path, params={**page.url.params, "user": "nobody"})
    assert "unknown user" in unknown.text and "Median rank" in unknown.text


BAD = [
    ("a.txt", b"words", "a.txt: not-a-picture: it starts with"),
    ("b.jpg", b"", "b.jpg: empty: 0 bytes; expected a picture, such as a JPEG"),
    ("c.jpg", b"\xff\xd8\xff\xe0" + bytes(50), "c.jpg: "),
    ("d.png", png(8000, 7000), "8000 × 7000 pixels, at most 50,000,000 are read"),
    ("<script>e</script>.png", b"x", "&lt;script&gt;e&lt;/script&gt;.png: not-a-picture"),
]


@pytest.mark.parametrize(("name", "data", "sentence"), BAD, ids=[name for name, _, _ in BAD])
def test_bad_pictures_are_named_on_the_page(
    client: TestClient, covers: list[Path], name: str, data: bytes, sentence: str
) -> None:
    page = send(client, [*named(covers[:1]), (name, data)])
    assert page.status_code == 422 and not page.history
    found = page.text.split('role="alert" dir="auto">')[1].split("</p>")[0]
    assert sentence in found and "<script>e" not in page.text
    assert '<input type="file"' in page.text, "they can be chosen again"


def test_sentences_are_those_of_the_command_line(client: TestClient, tmp_path: Path, shop: Shop) -> None:
    (tmp_path / "a.jpg").write_bytes(b"words")
    with pytest.raises(pixelrec.errors.ImageError) as error:
        shop.runs["pixels"].service.add([tmp_path / "a.jpg"])
    sentence = str(error.value).removeprefix(f"{tmp_path}/").replace("'", "&#39;")
    assert sentence in send(client, [("a.jpg", b"words")]).text


def test_odd_forms_are_refused(client: TestClient, covers: list[Path]) -> None:
    many = send(client, named(covers[:1]) * 9)
    assert many.status_code == 422 and "send at most 8 pictures at once" in many.text
    nothing = client.post("/new", data={"run": "pixels"}, files=[("other", ("a.jpg", b""))])
    assert nothing.status_code == 422 and "no picture came" in nothing.text
    for data in (b"{}", b"--x\r\nnonsense"):
        for kind in ("application/json", "multipart/form-data; boundary=x", "multipart/form-data"):
            found = client.post("/new", content=data, headers={"content-type": kind})
            assert found.status_code == 422
    assert send(client, named(covers[:1]), run="nope").status_code == 422
    assert client.get("/new?pictures=gone.too").status_code == 410
    assert client.get("/new/picture?name=gone").status_code == 404


def test_runs_without_pictures_say_why_in_one_line(
    client: TestClient,
    shop: Shop,
    run_folders: list[Path],
    dataset: Dataset,
    tmp_path: Path,
    covers: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "item vectors do not come from pictures" in client.get("/new?run=ids").text
    refused = send(client, named(covers[:1]), run="ids")
    assert refused.status_code == 422 and "do not come from pictures" in refused.text
    runs = [pixelrec.Run.open(folder) for folder in run_folders]
    runs[1].save_pretrained(tmp_path / "published", encoder=False)
    mixed = pixelrec.blend(runs, data=dataset, out=tmp_path / "mixed").run
    for run, words in (
        (pixelrec.Run.open(tmp_path / "published"), "without its item encoder"),
        (mixed, "blend"),
    ):
        why = refusal(Shop.open([run]).first)
        assert why is not None and words in why and "\n" not in why
    pixels = shop.runs["pixels"]
    assert refusal(pixels) is None
    monkeypatch.setattr(type(pixels.encoder().users), "needs_catalogue", True)
    assert "cannot take a new one" in (refusal(pixels) or "")


def test_published_runs_with_an_encoder_answer_for_histories(
    run_folders: list[Path], tmp_path: Path, covers: list[Path]
) -> None:
    pixelrec.Run.open(run_folders[1]).save_pretrained(tmp_path / "pixels")
    shop = Shop.open([pixelrec.Run.open(tmp_path / "pixels")])
    page = send(TestClient(make_app(shop)), named(covers[:1]), history="i3,i4")
    assert page.status_code == 200
    for word in (
        "published run, which holds nothing about users",
        "Items nearest to",
        "The list, new covers",
    ):
        assert word in page.text


def test_new_items_have_names_of_their_own() -> None:
    import polars as pl

    found = item_names(["i3", "../a/i3", r"C:\x\y.png", "y.png", "", "z" * 300 + ".png"], pl.Series(["i3"]))
    assert found[:5] == ["i3 (2)", "i3 (3)", "y.png", "y (2).png", "picture 5"]
    assert len(found[5]) == 100 and found[5].endswith(".png")


def test_pictures_are_kept_for_a_while_in_bounded_memory() -> None:
    now = [0.0]
    shelf = Shelf(most=3, most_bytes=1000, seconds=10, clock=lambda: now[0])

    def picture(size: int) -> Picture:
        return Picture("x", bytes(size), "webp", b"", (1, 1))

    first = shelf.keep([picture(1)])
    others = shelf.keep([picture(1), picture(1)])
    assert len(set(first + others)) == 3 and all(len(name) >= 16 for name in first)
    assert shelf.get(first) is not None
    more = shelf.keep([picture(1)])
    assert shelf.get(first) is None and shelf.get(others + more) is not None
    large = shelf.keep([picture(999)])
    assert shelf.get(more) is not None and shelf.get(others) is None and shelf.get(large) is not None
    now[0] = 10.5
    assert shelf.get(large) is None and shelf.get([]) == []


def test_vectors_of_a_picture_are_computed_once(shop: Shop, covers: list[Path]) -> None:
    run = shop.runs["pixels"]
    picture = Picture.of(*named(covers[:1])[0], MOST)
    first = NewCovers.of(run, [picture], MOST)
    kept = picture.vectors["pixels"]
    again = NewCovers.of(run, [picture], MOST)
    assert picture.vectors["pixels"] is kept
    np.testing.assert_array_equal(first.near(3)["cosine"], again.near(3)["cosine"])
