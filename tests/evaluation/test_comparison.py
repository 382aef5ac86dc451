"""A model against the best baseline: the right one, user by user, in the right words."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.evaluation.comparison import Comparison, best_first, compare_with_baselines
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Interval, paired


def test_the_best_baseline_by_ndcg_is_compared() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 20, 500)
    baseline_ranks = {"weak": ranks + 5, "best": np.maximum(ranks - 1, 1), "other": np.maximum(ranks, 2)}
    found = compare_with_baselines(ranks, baseline_ranks)
    expected = paired(per_user(ranks)["NDCG@10"], per_user(baseline_ranks["best"])["NDCG@10"])
    assert found == Comparison("best", expected) and found.verdict == "behind"


@pytest.mark.parametrize(
    ("points", "p", "verdict", "place"),
    [
        ((2.0, 1.0, 3.0), 0.01, "ahead", "ahead of b"),
        ((2.0, 1.0, 3.0), 0.0625, "level", "not clearly apart from b"),
        ((2.0, -1.0, 5.0), 0.01, "level", "not clearly apart from b"),
        ((-2.0, -5.0, 0.0), 0.01, "level", "not clearly apart from b"),
        ((-2.0, -3.0, -1.0), 0.01, "behind", "behind b"),
    ],
)
def test_verdicts(points: tuple[float, float, float], p: float, verdict: str, place: str) -> None:
    found = Comparison("b", Interval(*(value / 100 for value in points), p=p, deciding=400))
    difference, low, high = (f"{value:+.2f}".replace("-", "−") for value in points)
    assert found.verdict == verdict
    assert found.sentence("m") == (
        f"m is {place}, the best baseline: NDCG@10 {difference} points (95 % interval {low} to {high})"
    )
    there = found.sentence("m", "some items")
    assert there.startswith(f"On some items, m is {place}, the best baseline there: NDCG@10 {difference}")


def test_the_number_of_deciding_users_is_given_where_they_are_few() -> None:
    ranks = np.full(500, 99)
    few = ranks.copy()
    few[:4] = 1
    found = compare_with_baselines(few, {"b": ranks})
    assert found is not None and found.verdict == "level"
    assert found.sentence("m").endswith("; only 4 users decide this, p = 0.12)")
    few[1:] = 99
    found = compare_with_baselines(few, {"b": ranks})
    assert found is not None and found.sentence("m").endswith("; only 1 user decides this, p = 1)")


def test_the_same_ranks_are_level() -> None:
    ranks = np.array([1, 5, 30])
    found = compare_with_baselines(ranks, {"twin": ranks})
    assert found == Comparison("twin", Interval(0.0, 0.0, 0.0, 1.0, 0)) and found.verdict == "level"
    assert "decide" not in found.sentence("m")


def test_a_single_user_and_no_baselines_give_no_comparison() -> None:
    assert compare_with_baselines(np.array([3]), {"b": np.array([1])}) is None
    assert compare_with_baselines(np.array([3, 4]), {}) is None


def test_models_are_ordered_from_the_best_to_the_worst() -> None:
    values = {"a": 0.1, "b": 0.3, "c": 0.1, "d": 0.2}
    assert best_first({name: {"NDCG@10": value} for name, value in values.items()}) == ["b", "d", "a", "c"]
