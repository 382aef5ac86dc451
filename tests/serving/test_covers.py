"""`/v1/covers`: pictures over HTTP are as the same files in Python; hostile ones are refused."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from serving.test_hostile import png
from serving.test_recommend import rows, same

from pixelrec.serving.app import make_app
from pixelrec.serving.engine import _encoded
from pixelrec.serving.new_covers import squares_of
from pixelrec.serving.shop import Shop

PIXELS = {"run": "pixels"}
KIND = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("new")
    for number in range(6):
        picture = Image.effect_noise((40 + number, 50), 30 * number).convert("RGB")
        picture.save(folder / f"new{number}.jpg")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("alone", [False, True])
def test_lists_with_new_covers(client: TestClient, shop: Shop, files: list[Path], alone: bool) -> None:
    forms = [("cover", (file.name, file.read_bytes(), "image/jpeg")) for file in files[:3]]
    asked = {**PIXELS, "item": ["i3", "i9"], "k": 200, "alone": alone}
    found = client.post("/v1/covers/recommend", params=asked, files=forms)
    service = shop.run("pixels").service.add(files[:3])
    expected = service.recommend(histories=[["i3", "i9"]], k=200, alone=alone)
    same(found.json()["items"], rows(expected)[0])
    assert {file.name for file in files[:3]} <= {each["item_id"] for each in found.json()["items"]}


def test_a_picture_may_be_the_whole_body(client: TestClient, shop: Shop, files: list[Path]) -> None:
    data = files[0].read_bytes()
    asked = {**PIXELS, "name": files[0].name, "k": 4}
    found = client.post("/v1/covers/similar", params=asked, content=data, headers=KIND).json()["lists"]
    as_form = {"cover": (files[0].name, data)}
    assert (
        found == client.post("/v1/covers/similar", params={**PIXELS, "k": 4}, files=as_form).json()["lists"]
    )
    assert found[0]["item_id"] == files[0].name and len(found[0]["items"]) == 4
    del asked["k"]
    vector = client.post("/v1/covers/vectors", params=asked, content=data).json()["vectors"][0]
    trained = shop.run("pixels").service.add(files[:1]).trained
    assert trained is not None
    assert vector["vector"] == pytest.approx(trained.catalogue.candidates[-1].tolist(), rel=1e-4, abs=1e-6)


def test_who_would_get_a_new_cover(client: TestClient, files: list[Path]) -> None:
    data = files[0].read_bytes()
    (place,) = client.post("/v1/covers/audience", params=PIXELS, content=data).json()["places"]
    assert place["owners"] == 0 and len(place["likely"]) == 20 and place["likely"][0]["rank"] >= 1


def test_covers_at_once_get_their_own_vectors(shop: Shop, files: list[Path]) -> None:
    with TestClient(make_app(shop)) as client, ThreadPoolExecutor(6) as pool:
        answers = pool.map(
            lambda file: client.post(
                "/v1/covers/vectors", params={**PIXELS, "name": file.name}, content=file.read_bytes()
            ),
            files * 2,
        )
        found = [answer.json()["vectors"][0] for answer in answers]
    assert [each["item_id"] for each in found] == [file.name for file in files] * 2
    for number, each in enumerate(found):
        assert each["vector"] == pytest.approx(found[number % 6]["vector"], rel=1e-4, abs=1e-5)


def test_covers_of_several_calls_pass_through_the_network_together(shop: Shop, files: list[Path]) -> None:
    run = shop.run("pixels")
    parts = (files[:2], files[2:3], files[3:])
    squares = [squares_of(run, [(file.name, file.read_bytes()) for file in part], 10**6) for part in parts]
    found = _encoded([(run, each) for each in squares])
    for mine, each in zip(found, squares, strict=True):
        assert torch.allclose(mine, run.encoder().unseen(each), rtol=1e-4, atol=1e-5)


def gif_that_lies() -> bytes:
    held = io.BytesIO()
    Image.new("L", (1, 1)).save(held, "GIF")
    return held.getvalue()[:6] + b"\xff\xff\xff\xff" + held.getvalue()[10:]


BAD: dict[str, tuple[bytes, str]] = {
    "large": (png(8000, 8000), "too-large: 8000 × 8000 pixels, at most 50,000,000 are read"),
    "bomb": (png(30_000, 30_000), "too-large"),
    "wider than an int": (png(2**31 - 1, 2**31 - 1), "too-large"),
    "truncated": (png(100, 100)[:-40], "new: "),
    "little data": (png(5000, 5000), "truncated: the file ends before the picture does"),
    "a lie": (gif_that_lies(), "new: "),
    "text": (b"<svg onload=alert(1)>", "not-a-picture: it starts with b'<svg onload="),
    "nothing": (b"", "no picture came"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_a_problem(client: TestClient, name: str) -> None:
    data, sentence = BAD[name]
    answer = client.post("/v1/covers/similar", params=PIXELS, content=data, headers=KIND)
    assert answer.status_code == 422 and sentence in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind, body",
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        (
            "multipart/form-data; boundary=a",
            b"--a\r\nContent-Disposition: form-data; name=x; filename=y",
        ),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n--b--"),
        ("multipart/form-data; boundary=a", b"--a\r\n" + b"X: y\r\n" * 5000 + b"\r\n\r\n--a--"),
        ("multipart/form-data; boundary=" + "a" * 300, b"--a--"),
    ],
)
def test_bad_forms_are_problems(client: TestClient, kind: str, body: bytes) -> None:
    answer = client.post("/v1/covers/similar", params=PIXELS, content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 422) and answer.json()["detail"]


def test_too_many_pictures_or_a_run_without(client: TestClient, files: list[Path]) -> None:
    many = [("cover", (f"{n}.jpg", files[0].read_bytes())) for n in range(9)]
    answer = client.post("/v1/covers/similar", params=PIXELS, files=many)
    assert answer.json()["detail"] == "send at most 8 pictures at once"
    answer = client.post("/v1/covers/similar", content=files[0].read_bytes())
    assert answer.status_code == 422 and "picture" in answer.json()["detail"]
    answer = client.post("/v1/covers/recommend", params=PIXELS, content=files[0].read_bytes())
    assert answer.json()["detail"].startswith("give a user, or a history")


def test_a_name_is_only_an_id(client: TestClient, files: list[Path]) -> None:
    name = "../<script>alert(1)</script>.jpg"
    found = client.post("/v1/covers/vectors", params={**PIXELS, "name": name}, content=files[0].read_bytes())
    assert "/" not in found.json()["vectors"][0]["item_id"].replace("</", "")
