"""`/v1/items`, `/v1/users`, `/v1/similar`, `/v1/vectors` and `/v1/audience` agree with what they show."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from pixelrec.insight.audience import Audience
from pixelrec.insight.item_place import place_of
from pixelrec.insight.neighbours import nearest_by_vector
from pixelrec.serving.shop import Shop


def test_items_come_in_parts(client: TestClient, shop: Shop) -> None:
    found, start = list[dict[str, Any]](), 0
    while start is not None:
        part = client.get("/v1/items", params={"start": start, "count": 50, "order": "id"}).json()
        found, start = found + part["items"], part["next"]
    ids = [each["item_id"] for each in found]
    assert ids == sorted(shop.first.service.items["item_id"]) and part["total"] == len(ids)
    counts = shop.first.counts
    for each in found[:5]:
        assert each["events"] == counts[shop.first.number(each["item_id"])]


def test_items_are_found_by_id_and_words(client: TestClient) -> None:
    named = client.get("/v1/items", params={"id": ["i7", "i3"]}).json()
    assert [each["item_id"] for each in named["items"]] == ["i7", "i3"] and named["next"] is None
    searched = client.get("/v1/items", params={"search": "I7", "order": "id"}).json()
    assert searched["total"] and all("i7" in str(each).lower() for each in searched["items"])
    unknown = client.get("/v1/items", params={"id": "i3x"})
    assert unknown.status_code == 422 and unknown.json()["detail"].startswith("unknown item 'i3x'; did you")


def test_users_are_found_by_the_beginning_of_their_ids(client: TestClient, shop: Shop) -> None:
    dataset = shop.first.service.user_events().dataset
    whole = client.get("/v1/users", params={"count": 500}).json()
    assert whole["total"] == dataset.users
    user = whole["users"][4]
    found = client.get("/v1/users", params={"search": user["user_id"]}).json()
    assert user in found["users"]
    past = client.get("/v1/users/history", params={"user": user["user_id"]}).json()
    assert len(past["events"]) == user["events"] and set(past["events"][0]) == {"item_id", "title", "time"}
    times = [each["time"] for each in past["events"]]
    assert times == sorted(times)


@pytest.mark.parametrize("run", ["ids", "pixels"])
def test_neighbours_are_those_of_the_vectors(client: TestClient, shop: Shop, run: str) -> None:
    found = client.post("/v1/similar", json={"run": run, "items": ["i3", "i9"], "k": 4}).json()["lists"]
    assert [each["item_id"] for each in found] == ["i3", "i9"]
    expected = nearest_by_vector(shop.run(run).service, ["i3", "i9"], 4)
    ids = [each["item_id"] for one in found for each in one["items"]]
    assert ids == expected["item_id"].to_list()
    by_address = client.get("/v1/similar", params={"run": run, "item": ["i3", "i9"], "k": 4}).json()
    assert by_address["lists"] == found


def test_neighbours_by_behaviour_have_users_in_common(client: TestClient, shop: Shop) -> None:
    found = client.get("/v1/similar", params={"item": "i3", "k": 3, "by": "behaviour"}).json()["lists"][0]
    expected = shop.first.indices.behaviour().nearest("i3", 3)
    assert [each["item_id"] for each in found["items"]] == expected["item_id"].to_list()


def test_vectors_are_those_of_the_model(client: TestClient, shop: Shop) -> None:
    found = client.get("/v1/vectors", params={"item": ["i3", "i9"]}).json()
    trained = shop.first.service.trained
    assert trained is not None and found["width"] == trained.catalogue.candidates.shape[1]
    for each in found["vectors"]:
        expected = trained.catalogue.candidates[shop.first.number(each["item_id"])]
        assert each["vector"] == pytest.approx(expected.tolist())


def test_the_audience_of_an_item(client: TestClient, shop: Shop) -> None:
    found = client.get("/v1/audience", params={"item": "i3", "k": 5}).json()["places"][0]
    (expected,) = place_of(Audience.of(shop.first.service), ["i3"])
    assert found["median_rank"] == expected.median
    assert [each["user_id"] for each in found["likely"]] == expected.likely(5)["user_id"].to_list()


@pytest.mark.parametrize("path", ["/v1/similar", "/v1/vectors", "/v1/audience"])
@pytest.mark.parametrize("body", [{"items": []}, {"items": ["nowhere"]}, {"items": ["i3"], "run": "x"}])
def test_wrong_questions_are_problems(client: TestClient, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422 and answer.json()["detail"]


WRONG_ADDRESSES = {
    "/v1/recommend?item=i3&k=0": "k: ",
    "/v1/recommend?item=i3&item=" + "i" * 1001: "history.1: ",
    "/v1/similar?item=i3&k=-1": "k: ",
    "/v1/vectors?item=" + "i" * 1001: "items.0: ",
    "/v1/audience?" + "item=i3&" * 17: "items: ",
}


@pytest.mark.parametrize("address", WRONG_ADDRESSES, ids=lambda address: address[:24])
def test_bounds_hold_in_addresses_too(client: TestClient, address: str) -> None:
    found = client.get(address)
    assert found.status_code == 422 and found.json()["detail"].startswith(WRONG_ADDRESSES[address])


def test_the_interface_describes_itself(client: TestClient) -> None:
    described = client.get("/v1/openapi.json").json()
    paths = {path for path in described["paths"] if path.startswith("/v1/")}
    assert paths >= {"/v1/recommend", "/v1/recommend/batch", "/v1/similar", "/v1/items", "/v1/runs"}
    assert paths == set(described["paths"])
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            assert about["description"], (method, path)
            content = about["responses"]["200"]["content"]
            assert content["application/json"]["schema"], (method, path)
