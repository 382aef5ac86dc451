"""Places of items in users' lists, neighbours and ranks over time, against plain loops in float64."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from pixelrec.data.split import test_cases as cases_of_test
from pixelrec.errors import RequestError
from pixelrec.insight.audience import Audience
from pixelrec.insight.item_place import place_of
from pixelrec.insight.neighbours import nearest_by_vector, training_counts, unit_vectors
from pixelrec.insight.rank_history import EventsOverTime, ranks_over_time
from pixelrec.runs.recommend import RecommendationService


@pytest.fixture(params=["ids", "known_users", "blend", "candidates"])
def service(request: pytest.FixtureRequest) -> RecommendationService:
    return request.getfixturevalue(request.param)


def listed(service: RecommendationService, users: list[str]) -> dict[str, dict[str, int]]:
    """By user, the rank of each item in the whole list."""
    found = service.recommend(users=users, k=service.run.about.get("items", 10_000))
    return {user: {e.item_id: e.rank for e in each} for user, each in zip(users, found, strict=True)}


def test_places_are_those_in_whole_lists(service: RecommendationService) -> None:
    audience = Audience.of(service, 40, seed=1)
    items = service.items["item_id"].to_list()[3:6]
    lists = listed(service, audience.ids.to_list())
    for item, place in zip(items, place_of(audience, items), strict=True):
        have = [user for user, ranks in lists.items() if item not in ranks]
        assert place.owners == len(have) and place.asked == len(lists) == 40
        told = dict(place.users.select("user_id", "rank").iter_rows())
        assert told == {user: ranks[item] for user, ranks in lists.items() if item in ranks}
        assert place.ranks.tolist() == sorted(told.values())
        assert place.median == np.median(list(told.values()))
        assert place.share(10) == np.mean([rank <= 10 for rank in told.values()])
        assert place.likely(3).equals(place.users.head(3))


def test_places_do_not_depend_on_blocks(ids: RecommendationService, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = place_of(Audience.of(ids, None), ["i3"])[0]
    monkeypatch.setattr("pixelrec.evaluation.trained_ranker.USERS", 7)
    ids.ranker.__dict__.pop("at_once", None)
    parts = place_of(Audience.of(ids, None), ["i3"])[0]
    ids.ranker.__dict__.pop("at_once", None)
    assert parts.users.equals(whole.users) and whole.asked == ids.user_events().dataset.users


def test_an_audience_is_drawn_with_a_seed(ids: RecommendationService) -> None:
    one, same, other = (Audience.of(ids, 20, seed).users for seed in (0, 0, 1))
    assert (one == same).all() and set(one) != set(other) and len(np.unique(one)) == 20


def test_unknown_items_are_named(ids: RecommendationService) -> None:
    with pytest.raises(RequestError, match="unknown item 'i999999'"):
        place_of(Audience.of(ids, 5), ["i999999"])


def test_new_items_are_ranked_beside_the_catalogue(ids: RecommendationService) -> None:
    """As `recommend(alone=True)` ranks them: beside all items, and not beside each other."""
    import torch

    vectors = torch.randn(3, 8) / 4
    names = ["a.jpg", "b.jpg", "c.jpg"]
    more = pl.concat([ids.items, pl.DataFrame({"item_id": names})], how="diagonal")
    wider = ids.extended(vectors, more)
    audience = Audience.of(wider, 30)
    found = wider.recommend(users=audience.ids.to_list(), alone=True)
    for name, place in zip(names, place_of(audience, names, rivals=len(ids.items)), strict=True):
        told = dict(place.users.select("user_id", "rank").iter_rows())
        for user, each in zip(audience.ids, found, strict=True):
            assert told[user] == next(one.rank for one in each if one.item_id == name)
    near = nearest_by_vector(wider, names, 4)
    table = unit_vectors(ids).double().numpy()
    plain = torch.nn.functional.normalize(vectors).double().numpy() @ table.T
    for row, name in enumerate(names):
        order = np.argsort(-plain[row, 1:], kind="stable")[:4]
        mine = near.filter(query=name)
        assert mine["item_id"].to_list() == ids.items["item_id"].gather(order).to_list()
        np.testing.assert_allclose(mine["cosine"], plain[row, 1:][order], atol=1e-6)


def test_neighbours_have_enough_events_and_are_others(ids: RecommendationService) -> None:
    counts = training_counts(ids)
    assert counts is not None and counts[0] == 0 and counts.sum() > 0
    found = nearest_by_vector(ids, ["i3", "i5"], 500, counts=counts, least=20)
    assert found.columns == ["query", "rank", "item_id", "cosine", "events", "title"]
    assert found["events"].min() >= 20  # type: ignore[operator]
    enough = {i for i, count in zip(ids.items["item_id"], counts[1:], strict=True) if count >= 20}
    for item in ("i3", "i5"):
        assert set(found.filter(query=item)["item_id"]) == enough - {item}


def test_a_blend_has_no_vectors(blend: RecommendationService) -> None:
    with pytest.raises(RequestError, match="is a blend, which has no item vectors"):
        nearest_by_vector(blend, ["i3"])


def test_ranks_over_time_include_those_of_the_evaluation(ids: RecommendationService) -> None:
    assert ids.own is not None
    cases = cases_of_test(ids.own)
    item = int(np.bincount(cases.targets).argmax())
    name = ids.items["item_id"][item - 1]
    found = ranks_over_time(ids, name)
    assert found["time"].is_sorted() and (found["known"] > 0).all()
    chosen = cases.some(cases.targets == item)
    ranks = dict(zip(ids.own.user_ids.gather(chosen.users - 1), ids.ranker.rank(chosen), strict=True))
    tested = found.filter(split="test")
    assert dict(tested.select("user_id", "rank").iter_rows()) == ranks
    for user, rank, known in found.head(5).select("user_id", "rank", "known").iter_rows():
        events = ids.user_events()
        past = events.requests(ids.own.user_numbers([user]), [user]).histories.items[:known]
        history = ids.items["item_id"].gather(past - 1).to_list()
        whole = ids.recommend(histories=[history], k=len(ids.items))[0]
        assert next(each.rank for each in whole if each.item_id == name) == rank
    assert len(ranks_over_time(ids, name, most=4)) <= 4


def test_events_over_time_are_counted(ids: RecommendationService) -> None:
    assert ids.own is not None
    over = EventsOverTime.of(ids.own, periods=5)
    assert over.counts.sum() == len(ids.own.event_items)
    found = over.frame(4)
    times = ids.own.event_times[ids.own.event_items == 4]
    for start, stop, events, rank in found.select("start", "stop", "events", "popularity_rank").iter_rows():
        inside = (ids.own.event_times >= start) & (ids.own.event_times < stop)
        assert events == ((times >= start) & (times < stop)).sum()
        counts = np.bincount(ids.own.event_items[inside], minlength=ids.own.items + 1)
        assert rank == (1 + (counts > events).sum() if events else None)
