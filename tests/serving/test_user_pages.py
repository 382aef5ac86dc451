"""The list of users and the page of one: whose lists, in which order, and where the next item is in them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.metrics import per_user
from pixelrec.serving.pages.user_selection import Selection
from pixelrec.serving.shop import Shop


def users_of(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/user\?id=([^"&]*)', page)


def all_users(client: TestClient, **query: str) -> list[str]:
    """Of all pages of a list."""
    found: list[str] = []
    for page in range(1, 20):
        text = client.get("/users", params={**query, "page": page}).text
        found += users_of(text)
        if 'rel="next"' not in text:
            return found
    raise AssertionError("a list without end")


def test_evaluated_users_are_listed_in_the_order_of_the_data(client: TestClient, shop: Shop) -> None:
    assert all_users(client) == shop.first.ranks["test"].table["user_id"].to_list()


@pytest.mark.parametrize(
    ("show", "holds"),
    [
        ("wins", lambda mine, theirs, *_: mine > theirs),
        ("losses", lambda mine, theirs, *_: mine < theirs),
        ("hits", lambda mine, *_: mine > 0),
        ("misses", lambda mine, *_: mine == 0),
        ("rare", lambda _mine, _theirs, counts: counts < 5),
    ],
)
def test_filters_keep_the_users_they_name(client: TestClient, shop: Shop, show: str, holds: object) -> None:
    assert callable(holds)
    ranks = [run.ranks["test"] for run in shop.runs.values()]
    mine, theirs = (per_user(each.ranks, cutoffs=(10,))[METRIC] for each in ranks)
    expected = ranks[0].table["user_id"].filter(holds(mine, theirs, ranks[0].counts))
    assert set(all_users(client, show=show)) == set(expected)
    assert 'aria-current="true" href="/users?show=' + show in client.get("/users", params={"show": show}).text


def test_wins_begin_with_the_largest_and_neighbours_follow_the_list(client: TestClient, shop: Shop) -> None:
    ids = all_users(client, show="wins")
    found = Selection(show="wins").users(shop)
    assert found is not None
    gains = [found.row(user)["gain"] for user in ids]  # type: ignore[index]
    assert gains == sorted(gains, reverse=True)
    page = client.get("/user", params={"id": ids[1], "show": "wins"}).text
    assert re.search(r'rel="prev" href="([^"]*)"', page)[1] == f"/user?id={ids[0]}&amp;show=wins"  # type: ignore[index]
    assert re.search(r'rel="next" href="([^"]*)"', page)[1] == f"/user?id={ids[2]}&amp;show=wins"  # type: ignore[index]


def lists(page: str) -> list[list[str]]:
    """The recommended items of each run, with the next item where it follows them."""
    parts = re.findall(
        r'<ol class="strip covers[^>]*aria-label="Recommended by[^>]*>(.*?)</ol>', page, re.DOTALL
    )
    return [re.findall(r'href="/item\?id=([^"&]*)', part) for part in parts]


def test_both_lists_show_the_next_item_at_the_rank_that_was_saved(client: TestClient, shop: Shop) -> None:
    tables = [run.ranks["test"].table for run in shop.runs.values()]
    hit = int(np.flatnonzero(tables[0]["rank"] <= 10)[0])
    user, target = tables[0]["user_id"][hit], tables[0]["item_id"][hit]
    page = client.get("/user", params={"id": user}).text
    for table, items in zip(tables, lists(page), strict=True):
        rank = table["rank"][hit]
        assert items.index(target) + 1 == min(rank, 11)
        assert f"next item: rank {rank:,} of" in page
    assert page.count("✓ chosen next") == 3, "in both lists, and after the history"
    assert f'href="/why?user={user}&amp;item={target}&amp;run=ids&amp;before=test"' in page


def test_from_now_on_the_next_item_is_in_the_history(client: TestClient, shop: Shop) -> None:
    row = shop.first.ranks["test"].table.row(0, named=True)
    page = client.get("/user", params={"id": row["user_id"], "now": 1}).text
    assert "✓ chosen next" not in page
    assert row["item_id"] in re.findall(r'href="/item\?id=([^"&]*)', page.split("Recommended by")[0])
    best = shop.first.service.recommend(users=[row["user_id"]])[0]
    assert lists(page)[0] == [each.item_id for each in best]


def test_one_run_may_be_shown_alone(client: TestClient, shop: Shop) -> None:
    user = shop.first.ranks["test"].table["user_id"][0]
    assert len(lists(client.get("/user", params={"id": user, "beside": "", "run": "pixels"}).text)) == 1
    assert "by pixels" not in client.get("/users", params={"run": "ids", "beside": ""}).text


def test_unknown_users_runs_and_filters_are_refused_in_a_sentence(client: TestClient) -> None:
    found = client.get("/user", params={"id": "nobody"})
    assert (found.status_code, "unknown user &#39;nobody&#39;" in found.text) == (422, True)
    assert client.get("/users", params={"run": "nothing"}).status_code == 422
    assert client.get("/users", params={"show": "everything"}).status_code == 422


def test_a_history_that_is_put_together_gets_the_lists_of_all_runs(client: TestClient, shop: Shop) -> None:
    page = client.get("/history", params={"items": "i3\r\n i5 \r\ni3\r\n"}).text
    for run, items in zip(shop.runs.values(), lists(page), strict=True):
        assert items == [each.item_id for each in run.service.recommend(histories=[["i3", "i5"]])[0]]
    assert 'href="/history?run=ids&amp;items=i3%0Ai5%0A' in page, "a cover is added behind the others"
    assert "unknown" in client.get("/history", params={"items": "nothing"}).text
