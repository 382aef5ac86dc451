"""Leave-one-out explanations equal recommending for every history without one event."""

from __future__ import annotations

import polars as pl
import pytest

from pixelrec.data.id_types import IdTypes
from pixelrec.errors import RequestError
from pixelrec.insight.leave_one_out import Explanation, leave_one_out, rows_of
from pixelrec.runs.recommend import RecommendationService

HISTORY = [f"i{n}" for n in (3, 14, 15, 9, 2, 6, 53, 58)]


@pytest.mark.parametrize("name", ["ids", "blend", "candidates"])
def test_leaving_out_is_recommending_without(name: str, request: pytest.FixtureRequest) -> None:
    service: RecommendationService = request.getfixturevalue(name)
    best = [each.item_id for each in service.recommend(histories=[HISTORY], k=3)[0]]
    found = leave_one_out(service, [str(item) for item in best], history=HISTORY, latest=5)
    assert [each.rank for each in found] == [1, 2, 3]
    for each in found:
        assert each.frame["item_id"].to_list() == HISTORY[::-1][:5]
        for place, row in zip(range(7, 2, -1), each.frame.iter_rows(named=True), strict=True):
            rest = [*HISTORY[:place], *HISTORY[place + 1 :]]
            plain = service.recommend(histories=[rest], k=1000, exclude=HISTORY)[0]
            same = next(one for one in plain if one.item_id == each.item_id)
            assert (row["rank"], row["rank_change"]) == (same.rank, same.rank - each.rank)
            assert row["score"] == pytest.approx(same.score, rel=1e-4)
            assert row["score_change"] == pytest.approx(each.score - row["score"])
        assert each.items == len(service.items) - len(HISTORY)


def test_a_user_is_their_history(ids: RecommendationService) -> None:
    user = "u5"
    events = ids.user_events()
    past = events.requests(events.dataset.user_numbers([user]), [user]).histories.items
    history = ids.items["item_id"].gather(past - 1).to_list()
    best = str(ids.recommend(users=[user], k=1)[0][0].item_id)
    (one,), (same,) = leave_one_out(ids, [best], user=user), leave_one_out(ids, [best], history=history)
    assert one.frame.equals(same.frame) and one.rank == 1
    assert len(one.frame) == min(6, len(history))  # the events that the model sees


def test_the_only_event_can_be_left_out(ids: RecommendationService) -> None:
    (one,) = leave_one_out(ids, ["i7"], history=["i3"])
    assert one.frame["rank"].to_list() == [one.items]  # all scores are equal, and a tie counts against it


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"history": ["i3"], "items": ["i3"]}, "'i3' is in the history"),
        ({"history": ["i3"], "items": ["x"]}, "unknown item 'x'"),
        ({"items": ["i3"]}, "exactly one of the two"),
        ({"user": "nobody", "items": ["i3"]}, "unknown user 'nobody'"),
    ],
)
def test_faults_are_one_line(ids: RecommendationService, given: dict[str, list[str]], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        leave_one_out(ids, **given)  # type: ignore[arg-type]


def test_models_with_known_users_have_no_reasons(known_users: RecommendationService) -> None:
    with pytest.raises(RequestError, match="mf has one vector for each user and looks at no history"):
        leave_one_out(known_users, ["i3"], user="u5")


def test_ids_in_tables_have_their_types() -> None:
    events = pl.DataFrame({"event": [1, 2], "item_id": ["7", "5"], "score": [0.0, 0.0]})
    events = events.with_columns(score_change=pl.Series([0.1, 0.3]), rank=pl.Series([2, 4]), rank_change=1)
    table = rows_of([Explanation("3", None, 1, 0.5, 9, events)], IdTypes(item=pl.Int64()))
    assert table["event_item"].to_list() == [5, 7] and table["item_id"].to_list() == [3, 3]
    assert table["rank_without"].to_list() == [4, 2]
