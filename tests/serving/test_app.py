"""The frame of the server: headers, errors in two forms, thumbnails."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

PATHS = (
    "/",
    "/v1/runs",
    "/static/shop.css",
    "/static/icon.svg",
    "/covers?item=i3",
    "/nowhere",
    "/v1/nowhere",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_foreign_content(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_programs_get_problems_and_people_pages(client: TestClient) -> None:
    to_programs, to_people = client.get("/v1/nowhere"), client.get("/nowhere")
    assert to_programs.headers["content-type"] == "application/problem+json"
    assert to_programs.json()["status"] == to_programs.status_code == to_people.status_code == 404
    assert "<h1>Not found</h1>" in to_people.text


@pytest.mark.parametrize(
    "body, sentence",
    [
        (b'{"user": "u1"', "the body is not JSON: Expecting ',' delimiter, at character 13"),
        (b"user=u1", "the body is not JSON: "),
        (b"[]", "the request: "),
        (b'{"user": ["u1"]}', "user: Input should be"),
        (b'{"history": ["i3", {}]}', "history.1: Input should be"),
    ],
)
def test_the_sentence_names_the_field(client: TestClient, body: bytes, sentence: str) -> None:
    found = client.post("/v1/recommend", content=body, headers={"content-type": "application/json"})
    assert found.status_code == 422 and found.json()["detail"].startswith(sentence)


def test_covers_are_pictures_that_browsers_keep(client: TestClient) -> None:
    found = client.get("/covers", params={"item": "i3"})
    assert found.headers["content-type"].startswith("image/")
    again = client.get("/covers", params={"item": "i3"}, headers={"If-None-Match": found.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/covers", params={"item": "../i3"}).status_code == 404


def test_runs_are_listed_in_their_order(client: TestClient) -> None:
    assert [run["name"] for run in client.get("/v1/runs").json()] == ["ids", "pixels"]
