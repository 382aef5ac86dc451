"""The client asks a live server and gives what the service gives; its errors have the server's sentences."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from polars.testing import assert_frame_equal
from serving.conftest import serving
from serving.test_recommend import rows, same

import pixelrec
from pixelrec.images.edits import edits_of
from pixelrec.insight.leave_one_out import leave_one_out
from pixelrec.insight.past import past_of
from pixelrec.insight.pictures import picture_of
from pixelrec.insight.what_if import what_if
from pixelrec.serving.shop import Shop

TOKEN = "a token for the tests"


@pytest.fixture(scope="module")
def at(shop: Shop) -> Iterator[str]:
    with serving(shop, TOKEN) as address:
        yield address


@pytest.fixture
def asking(at: str) -> Iterator[pixelrec.Client]:
    with pixelrec.Client(at, token=TOKEN, run="pixels") as client:
        yield client


@pytest.mark.parametrize(
    "form",
    [
        {"histories": [["i3", "i14"]], "k": 3},
        {"histories": [["i3", "i14"], ["i7"]], "exclude": [["i1"], []]},
        {"histories": {"a": ["i3"], "b": ["i9"]}, "among": ["i1", "i2", "i5"]},
        {"histories": [["i3", "nowhere"]], "seen": True},
    ],
)
def test_recommendations_are_those_of_the_service(
    asking: pixelrec.Client, shop: Shop, form: dict[str, object]
) -> None:
    found, expected = asking.recommend(**form), shop.run("pixels").service.recommend(**form)
    for mine, theirs in zip(found, rows(expected), strict=True):
        same([each._asdict() for each in mine], theirs)
    assert found.notes == expected.notes and found.run == "pixels"
    assert_frame_equal(found.frame(), expected.frame(), check_dtypes=False, rel_tol=1e-4)


def test_users_and_their_histories(asking: pixelrec.Client, shop: Shop) -> None:
    service = shop.run("pixels").service
    users = service.user_events().dataset.user_ids.to_list()
    assert asking.users()["user_id"].to_list() == users
    assert len(asking.history(users[0])) == asking.users(users[0])["events"][0]
    assert_frame_equal(
        asking.recommend(users=users[:3], k=4).frame(),
        service.recommend(users=users[:3], k=4).frame(),
        check_dtypes=False,
        rel_tol=1e-4,
    )


def test_items_their_neighbours_and_vectors(asking: pixelrec.Client, shop: Shop) -> None:
    assert asking.runs()["name"].to_list() == ["ids", "pixels"]
    assert set(asking.items()["item_id"]) == set(shop.run("pixels").service.items["item_id"])
    near = asking.similar(["i3"], k=5)
    assert near.columns[:2] == ["query", "item_id"] and len(near) == 5
    vectors = asking.vectors(["i3", near["item_id"][0]])
    lengths = (vectors**2).sum(1) ** 0.5
    assert vectors[0] @ vectors[1] / lengths.prod() == pytest.approx(near["similarity"][0], rel=1e-4)
    assert len(asking.audience(["i3"], k=3)[0]["likely"]) == 3


def test_covers_as_files_and_as_bytes(asking: pixelrec.Client, tmp_path: Path) -> None:
    path = tmp_path / "new.png"
    Image.new("RGB", (30, 30), "teal").save(path)
    alone = asking.recommend_with([path], history=["i3"], alone=True)
    assert [each.item_id for each in alone[0]] == ["new.png"]
    named = asking.recommend_with({"mine": path.read_bytes()}, history=["i3"], alone=True)
    assert [(each.item_id, each.rank) for each in named[0]] == [("mine", alone[0][0].rank)]
    assert asking.similar(covers=[path], k=2)["query"].to_list() == ["new.png"] * 2
    assert asking.vectors(covers=[path]).shape == asking.vectors(["i3"]).shape
    with pytest.raises(pixelrec.RequestError, match=r"absent\.png: No such file"):
        asking.similar(covers=[tmp_path / "absent.png"])


def test_errors_are_the_sentences_of_the_server(at: str, asking: pixelrec.Client, shop: Shop) -> None:
    with pytest.raises(pixelrec.RequestError) as raised:
        asking.recommend(users=["nobody"])
    with pytest.raises(pixelrec.RequestError) as expected:
        shop.run("pixels").service.recommend(users=["nobody"])
    assert str(raised.value) == str(expected.value)
    for token, run, sentence in (
        (None, None, "wants its token"),
        ("another token", None, "wants its token"),
        (TOKEN, "x", "this server has no run 'x'"),
    ):
        with (
            pixelrec.Client(at, token=token, run=run) as client,
            pytest.raises(pixelrec.RequestError, match=sentence),
        ):
            client.items()


def test_without_a_server_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as some:
        port = some.getsockname()[1]
    for url, sentence in ((f"http://127.0.0.1:{port}", "does not answer: .*is the server"), ("none", "none")):
        with pixelrec.Client(url, attempts=1) as client, pytest.raises(pixelrec.RequestError, match=sentence):
            client.runs()


def test_reasons_and_other_covers(asking: pixelrec.Client, shop: Shop) -> None:
    service = shop.run("pixels").service
    (found,) = asking.explain(history=["i3", "i14"], items=["i7"])
    assert found == leave_one_out(service, past_of(service, history=["i3", "i14"]), ["i7"])[0].to_dict()
    assert len(asking.explain(user="u5", before="test", k=2)) == 2
    changed = what_if(service, "i7", edits=edits_of(crop=[0.5], grey=True), users=30).frame
    assert_frame_equal(asking.what_if("i7", crop=[0.5], grey=True, users=30), changed, check_dtypes=False)
    other = asking.what_if("i7", covers={"own": _png(picture_of(service, "i7"))}, users=30)
    assert other["change"].to_list() == ["as it is", "own"]


def _png(picture: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
