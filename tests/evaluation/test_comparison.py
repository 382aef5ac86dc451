"""A model against the best baseline: the right one, user by user, in the right words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pixelrec.errors import DataError
from pixelrec.evaluation.comparison import (
    Comparison,
    Difference,
    best_first,
    compare_with_baselines,
    repeats_note,
)
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Interval, paired


def test_the_best_baseline_by_ndcg_is_compared() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 20, 500)
    baseline_ranks = {"weak": ranks + 5, "best": np.maximum(ranks - 1, 1), "other": np.maximum(ranks, 2)}
    found = compare_with_baselines(ranks, baseline_ranks)
    assert found is not None and found.baseline == "best" and found.verdict == "behind"
    ours, theirs = per_user(ranks), per_user(baseline_ranks["best"])
    assert found.difference.intervals == {name: paired(ours[name], theirs[name]) for name in ours}
    assert found.difference.hits == ((ranks <= 10).sum(), (baseline_ranks["best"] <= 10).sum())
    assert found.difference.cases == 500


@pytest.mark.parametrize(
    ("points", "p", "verdict", "place"),
    [
        ((2.0, 1.0, 3.0), 0.01, "ahead", "ahead of b"),
        ((2.0, 1.0, 3.0), 0.0625, "level", "not significantly different from b"),
        ((2.0, -1.0, 5.0), 0.01, "level", "not significantly different from b"),
        ((-2.0, -5.0, 0.0), 0.01, "level", "not significantly different from b"),
        ((-2.0, -3.0, -1.0), 0.01, "behind", "behind b"),
    ],
)
def test_verdicts(points: tuple[float, float, float], p: float, verdict: str, place: str) -> None:
    interval = Interval(*(value / 100 for value in points), p=p, deciding=400)
    found = Comparison("b", Difference({"NDCG@10": interval}, (1300, 3), 4600))
    difference, low, high = (f"{value:+.2f}".replace("-", "−") for value in points)
    assert found.verdict == verdict
    assert found.sentence("m") == (
        f"m is {place}, the best baseline: NDCG@10 {difference} points (95 % interval {low} to {high}; "
        "hits in the top 10: 1,300 of 4,600 against 3)"
    )
    there = replace(found, difference=replace(found.difference, where="some items")).sentence("m")
    assert there.startswith(f"On some items, m is {place}, the best baseline there: NDCG@10 {difference}")


def test_the_number_of_deciding_users_is_given_where_they_are_few() -> None:
    ranks = np.full(500, 99)
    few = ranks.copy()
    few[:4] = 1
    found = compare_with_baselines(few, {"b": ranks})
    assert found is not None and found.verdict == "level"
    assert "; only 4 users decide this, p = 0.12; hits in the top 10: 4 of 500 ag" in found.sentence("m")
    few[1:] = 99
    found = compare_with_baselines(few, {"b": ranks})
    assert found is not None and "; only 1 user decides this, p = 1; hits" in found.sentence("m")


def test_the_same_ranks_are_level() -> None:
    ranks = np.array([1, 5, 30])
    found = compare_with_baselines(ranks, {"twin": ranks})
    assert found is not None and found.interval == Interval(0.0, 0.0, 0.0, 1.0, 0)
    assert found.verdict == "level" and found.difference.hits == (2, 2)
    assert "decide" not in found.sentence("m")


def test_a_single_user_and_no_baselines_give_no_comparison() -> None:
    assert compare_with_baselines(np.array([3]), {"b": np.array([1])}) is None
    assert compare_with_baselines(np.array([3, 4]), {}) is None


def test_models_are_ordered_from_the_best_to_the_worst() -> None:
    values = {"a": 0.1, "b": 0.3, "c": 0.1, "d": 0.2}
    assert best_first({name: {"NDCG@10": value} for name, value in values.items()}) == ["b", "d", "a", "c"]


def test_seeds_are_averaged_per_user_first() -> None:
    seeds = np.array([[1, 30, 2, 4], [3, 5, 30, 4]])
    found = Difference.of(seeds, np.array([2, 2, 40, 40]))
    mine = np.mean([per_user(one)["NDCG@10"] for one in seeds], axis=0)
    assert found.interval == paired(mine, per_user([2, 2, 40, 40])["NDCG@10"])
    assert found.hits == (3, 2) and found.cases == 4
    with pytest.raises(DataError):
        Difference.of(np.array([1]), np.array([2]))


def test_users_that_are_left_out_are_told() -> None:
    assert repeats_note(0, 9, "test") == ""
    assert repeats_note(1200, 800, "test").startswith("1,200 of 2,000 users are left out: their test event")
