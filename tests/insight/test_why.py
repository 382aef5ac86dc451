"""Leave-one-out explanations equal recommending for every history without one event."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pixelrec.choices import Split
from pixelrec.data.id_types import IdTypes
from pixelrec.data.split import test_cases as cases_of_test
from pixelrec.data.split import validation_cases
from pixelrec.errors import RequestError
from pixelrec.insight.leave_one_out import Explanation, leave_one_out, rows_of
from pixelrec.insight.past import past_of
from pixelrec.runs.recommend import RecommendationService

HISTORY = [f"i{n}" for n in (3, 14, 15, 9, 2, 6, 53, 58)]


@pytest.mark.parametrize("name", ["ids", "blend", "candidates"])
def test_leaving_out_is_recommending_without(name: str, request: pytest.FixtureRequest) -> None:
    service: RecommendationService = request.getfixturevalue(name)
    best = [each.item_id for each in service.recommend(histories=[HISTORY], k=3)[0]]
    found = leave_one_out(service, past_of(service, history=HISTORY), list(map(str, best)), latest=5)
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
    pasts = past_of(ids, user=user), past_of(ids, history=history)
    (one,), (same,) = (leave_one_out(ids, each, [best]) for each in pasts)
    assert one.frame.equals(same.frame) and one.rank == 1
    assert len(one.frame) == min(6, len(history))  # the events that the model sees


def test_the_only_event_can_be_left_out(ids: RecommendationService) -> None:
    (one,) = leave_one_out(ids, past_of(ids, history=["i3"]), ["i7"])
    assert one.frame["rank"].to_list() == [one.items]  # all scores are equal, and a tie counts against it


@pytest.mark.parametrize(
    ("given", "items", "said"),
    [
        ({"history": ["i3"]}, ["i3"], "'i3' is in the history"),
        ({"history": ["i3"]}, ["x"], "unknown item 'x'"),
        ({}, ["i3"], "exactly one of the two"),
        ({"user": "nobody"}, ["i3"], "unknown user 'nobody'"),
        ({"history": ["i3"], "before": "test"}, ["i7"], "the test event is that of a user"),
    ],
)
def test_faults_are_one_line(
    ids: RecommendationService, given: dict[str, Any], items: list[str], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        leave_one_out(ids, past_of(ids, **given), items)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_before_an_evaluated_event_ranks_are_those_of_the_evaluation(
    ids: RecommendationService, split: Split
) -> None:
    assert ids.own is not None
    cases = {"test": cases_of_test, "validation": validation_cases}[split](ids.own)
    chosen = cases.some(slice(0, 5))
    users = ids.own.user_ids.gather(chosen.users - 1).to_list()
    targets = ids.own.item_ids.gather(chosen.targets - 1).to_list()
    found = [
        leave_one_out(ids, past_of(ids, user=user, before=split), [target])[0].rank
        for user, target in zip(users, targets, strict=True)
    ]
    assert found == ids.ranker.rank(chosen).tolist()


def test_models_with_known_users_have_no_reasons(known_users: RecommendationService) -> None:
    with pytest.raises(RequestError, match="mf has one vector for each user and looks at no history"):
        leave_one_out(known_users, past_of(known_users, user="u5"), ["i3"])


def test_ids_in_tables_have_their_types() -> None:
    events = pl.DataFrame({"event": [1, 2], "item_id": ["7", "5"], "score": [0.0, 0.0]})
    events = events.with_columns(score_change=pl.Series([0.1, 0.3]), rank=pl.Series([2, 4]), rank_change=1)
    table = rows_of([Explanation("3", None, 1, 0.5, 9, events)], IdTypes(item=pl.Int64()))
    assert table["event_item"].to_list() == [5, 7] and table["item_id"].to_list() == [3, 3]
    assert table["rank_without"].to_list() == [4, 2]
