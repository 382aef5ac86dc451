"""`/v1/recommend` answers as the service does, also when many requests are answered at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

import pixelrec
from pixelrec.runs.recommendations import Recommendations
from pixelrec.serving.app import make_app
from pixelrec.serving.shop import Shop

HISTORY = ["i3", "i14"]


def rows(found: Recommendations) -> list[list[dict[str, Any]]]:
    return [[each._asdict() for each in items] for items in found]


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    score = "score"
    assert [{**each, score: 0} for each in found] == [{**each, score: 0} for each in expected]
    assert [each[score] for each in found] == pytest.approx([each[score] for each in expected], rel=1e-5)


@pytest.mark.parametrize("run", ["ids", "pixels"])
def test_one_list_is_that_of_the_service(client: TestClient, shop: Shop, run: str) -> None:
    service = shop.run(run).service
    user = service.user_events().dataset.user_ids[3]
    for body, form in (
        ({"user": user, "k": 4}, {"users": [user], "k": 4}),
        ({"history": HISTORY, "exclude": ["i4"]}, {"histories": [HISTORY], "exclude": ["i4"]}),
        ({"history": HISTORY, "among": ["i3", "i5"], "seen": True},
         {"histories": [HISTORY], "among": ["i3", "i5"], "seen": True}),
    ):  # fmt: skip
        found = client.post("/v1/recommend", json={"run": run, **body}).json()
        assert found["run"] == run and found["notes"] == []
        same(found["items"], rows(service.recommend(**form))[0])
    by_address = client.get("/v1/recommend", params={"run": run, "item": HISTORY, "k": 3})
    same(by_address.json()["items"], rows(service.recommend(histories=[HISTORY], k=3))[0])


def test_many_lists_are_those_of_the_service(client: TestClient, shop: Shop) -> None:
    body = {"histories": {"a": HISTORY, "b": ["i7"]}, "k": 3, "exclude": [["i1"], []]}
    found = client.post("/v1/recommend/batch", json=body).json()
    expected = rows(shop.first.service.recommend(**body))
    assert [each["name"] for each in found["lists"]] == ["a", "b"]
    for each, items in zip(found["lists"], expected, strict=True):
        same(each["items"], items)


def test_requests_at_once_get_their_own_lists_and_errors(shop: Shop) -> None:
    app = make_app(shop)
    sizes: list[int] = []
    app.state.engine._batchers["recommend"]._on_batch = sizes.append
    items = shop.first.service.items["item_id"].to_list()[:24]
    bodies = [{"history": [item, *(["nowhere"] * (place % 3))]} for place, item in enumerate(items)]
    bodies[5] = {"history": ["nowhere"]}
    with TestClient(app) as client, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda body: client.post("/v1/recommend", json=body), bodies))
    assert sum(sizes) == len(bodies)
    for place, (body, answer) in enumerate(zip(bodies, found, strict=True)):
        if place == 5:
            assert answer.status_code == 422 and "'nowhere'" in answer.json()["detail"]
            continue
        alone = shop.first.service.recommend(histories=[body["history"]])
        same(answer.json()["items"], rows(alone)[0])
        assert answer.json()["notes"] == list(alone.notes)


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "give users, or histories"),
    ({"user": "u1", "history": ["i3"]}, "exactly one of the two"),
    ({"user": "nobody"}, "unknown user 'nobody'"),
    ({"history": ["i3"], "k": 0}, "k: Input should be greater"),
    ({"history": ["i3"], "k": 1001}, "1,001 items in a list (k) are too many for one call"),
    ({"history": ["i3"] * 10_001}, "10,001 item ids are too many"),
    ({"history": [True]}, "history.0"),
    ({"history": ["i3"], "run": "idz"}, "this server has no run 'idz'; did you mean 'ids'?"),
    ({"history": ["i3"], "whatever": 1}, "whatever: Extra inputs are not permitted"),
)


@pytest.mark.parametrize("body, sentence", WRONG)
def test_wrong_requests_are_problems(client: TestClient, body: dict[str, Any], sentence: str) -> None:
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert sentence in answer.json()["detail"]


def test_the_sentence_is_that_of_python(client: TestClient, shop: Shop) -> None:
    with pytest.raises(pixelrec.RequestError) as raised:
        shop.first.service.recommend(histories=[["nowhere"]])
    answer = client.post("/v1/recommend", json={"history": ["nowhere"]})
    assert answer.json()["detail"] == str(raised.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("item=i3&kk=3", "no parameter 'kk' in this address; did you mean 'k'?"),
        ("item=i3&k=3&k=4", "k is given several times; give it once"),
    ],
)
def test_parameters_of_addresses_are_checked(client: TestClient, query: str, said: str) -> None:
    answer = client.get(f"/v1/recommend?{query}")
    assert answer.status_code == 422 and said in answer.json()["detail"]
    assert client.get("/v1/recommend?item=i3&item=i4&k=3").status_code == 200
    assert client.get("/v1/runs?a=1").json()["detail"].endswith("it takes none")
