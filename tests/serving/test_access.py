"""Who may ask: names of the server, tokens, cookies, other sites."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from pixelrec.errors import RequestError
from pixelrec.serving.access import COOKIE, Access
from pixelrec.serving.app import make_app
from pixelrec.serving.log import Log
from pixelrec.serving.shop import Shop

TOKEN = "0123456789abcdef"


def asking(shop: Shop, access: Access, base: str = "http://localhost:8000") -> TestClient:
    return TestClient(make_app(shop, access), base_url=base, follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.5"])
def test_only_this_machine_needs_no_token(host: str) -> None:
    assert Access.of(host, None).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "shop.example"])
def test_others_need_one_that_cannot_be_guessed(host: str) -> None:
    with pytest.raises(RequestError, match="PIXELREC_TOKEN"):
        Access.of(host, None)
    with pytest.raises(RequestError, match="expected at least 16"):
        Access.of(host, "1234")
    assert Access.of(host, TOKEN).token == TOKEN


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("recs.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.1", 421),
        ("", 421),
    ],
)
def test_another_name_is_another_server(shop: Shop, host: str, status: int) -> None:
    client = asking(shop, Access.of("127.0.0.1", None, ("recs.example",)))
    assert client.get("/v1/runs", headers={"Host": host}).status_code == status


def test_a_wide_server_is_reached_by_any_address(shop: Shop) -> None:
    client = asking(shop, Access.of("0.0.0.0", TOKEN))
    for host, status in (("10.0.0.1:8000", 401), ("[fe80::1]", 401), ("evil.example", 421)):
        assert client.get("/v1/runs", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://localhost:9000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_sites_may_not_post(shop: Shop, headers: dict[str, str], status: int) -> None:
    client = asking(shop, Access.of("127.0.0.1", None))
    assert client.post("/v1/recommend", json={"history": ["i3"]}, headers=headers).status_code == status


@pytest.mark.parametrize(
    "given, status",
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        ("", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer é\xff", 401),
    ],
)
def test_programs_send_the_token(shop: Shop, given: str, status: int) -> None:
    client = asking(shop, Access.of("127.0.0.1", TOKEN))
    answer = client.get("/v1/runs", headers={"Authorization": given.encode("latin-1")})
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer" and answer.json()["status"] == 401
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/metrics").status_code == 401


def test_people_give_it_once(shop: Shop) -> None:
    client = asking(shop, Access.of("127.0.0.1", TOKEN))
    sent = client.get("/items?q=a b", headers={"Accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fitems%3Fq%3Da%2520b")
    form, refused = client.get("/login").text, client.get("/items", headers={"Accept": "*/*"}).text
    assert 'name="token"' in form and "wants its token" in refused
    assert not any(word in page for page in (form, refused) for word in ("2 runs", "ids", "pixels"))
    wrong = client.post("/login", data={"token": "guess"})
    assert wrong.status_code == 401 and "another token" in wrong.text
    right = client.post("/login", data={"token": TOKEN, "next": "/items?q=a"})
    assert (right.status_code, right.headers["location"]) == (303, "/items?q=a")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
    assert client.get("/v1/runs").status_code == 200
    client.cookies.set(COOKIE, "guess")
    assert client.get("/v1/runs", headers={"Cookie": f"{COOKIE}=guess"}).status_code == 401


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example", "/\\evil.example", "x"])
def test_the_form_leads_to_no_other_site(shop: Shop, address: str) -> None:
    client = asking(shop, Access.of("127.0.0.1", TOKEN))
    answer = client.post("/login", data={"token": TOKEN, "next": address})
    assert answer.headers["location"] == "/"


def test_the_log_has_routes_and_no_ids(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    client = TestClient(make_app(shop, log=Log("json")))
    client.get("/covers", params={"item": "i3"})
    client.get("/i3")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["method"], first["route"], first["status"]) == ("GET", "/covers", 200)
    assert (second["route"], second["status"]) == ("unmatched", 404) and second["ms"] >= 0


def test_figures_are_by_route_and_have_no_ids(shop: Shop) -> None:
    client = TestClient(make_app(shop))
    client.post("/v1/recommend", json={"history": ["i3"]})
    client.post("/v1/recommend", json={"history": ["nowhere"]})
    client.get("/i3")
    text = client.get("/metrics").text
    for line in (
        'pixelrec_requests_total{route="/v1/recommend",status="200"} 1.0',
        'pixelrec_requests_total{route="/v1/recommend",status="422"} 1.0',
        'pixelrec_requests_total{route="unmatched",status="404"} 1.0',
        'pixelrec_batch_calls_count{kind="recommend"} 2.0',
        'pixelrec_calls_waiting{kind="recommend"} 0.0',
    ):
        assert line in text
    assert "i3" not in text and "nowhere" not in text
