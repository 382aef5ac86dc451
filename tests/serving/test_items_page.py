"""The page of all items, and what the form in the frame finds."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from pixelrec.serving.pages.paging import Part
from pixelrec.serving.shop import Shop


def shown(page: str) -> list[str]:
    """The items of a page by id, in its order."""
    return re.findall(r'<a class="cover" href="/item\?id=([^"&]*)', page)


@pytest.mark.parametrize(
    ("query", "place"),
    [("i3", "/item?id=i3"), (" u7 ", "/user?id=u7"), ("i3&run=pixels", "/item?id=i3&run=pixels")],
)
def test_ids_lead_to_their_page(client: TestClient, query: str, place: str) -> None:
    found = client.get(f"/items?q={query}", follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (303, place)


def test_items_are_found_by_words_of_their_title_in_any_order(client: TestClient, shop: Shop) -> None:
    title = shop.first.service.items.filter(item_id="i3")["title"][0]
    words = " ".join(reversed(title.upper().split()))
    page = client.get("/items", params={"q": words})
    assert "i3" in shown(page.text)
    assert len(shown(page.text)) < 60
    assert 'value="' + words in page.text, "the form shows what was searched for"


def test_items_are_sorted_and_paged(client: TestClient, shop: Shop) -> None:
    counts = shop.first.counts
    pages = [shown(client.get("/items", params={"page": page}).text) for page in (1, 2)]
    assert sorted(pages[0] + pages[1]) == sorted(shop.first.service.items["item_id"])
    events = [counts[shop.first.number(item)] for item in pages[0] + pages[1]]
    assert events == sorted(events, reverse=True)
    rare = shown(client.get("/items?sort=rare").text)
    assert counts[shop.first.number(rare[0])] == counts[1:].min()


def test_nothing_found_is_said(client: TestClient) -> None:
    page = client.get("/items", params={"q": "<script>alert(1)</script>"}).text
    assert "No item of ids has" in page
    assert "<script" not in page


def test_a_part_of_a_list_ends_where_the_list_does() -> None:
    assert (Part(121, 60, 3).here, Part(121, 60, 3).later) == ("121–121 of 121", None)
    assert (Part(121, 60, 99).page, Part(0, 60).here) == (3, "none")
