"""Slices by training events: the cases of each, and every number against an independent formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pixelrec.evaluation.comparison import Comparison
from pixelrec.evaluation.slices import ALL, LONG_TAIL, MIN_CASES, NEW, OTHERS, measure, measure_slices

COUNTS = np.array([0, 4, 5, 100, 1, 6])
RANKS = {"mine": np.array([1, 3, 2, 11, 20, 10]), "baseline": np.array([12, 1, 5, 1, 2, 4])}


def ndcg(ranks: np.ndarray) -> np.ndarray:
    return np.where(ranks <= 10, 1 / np.log2(ranks + 1.0), 0.0)


def test_every_case_is_long_tail_or_not_and_five_events_are_not() -> None:
    assert LONG_TAIL.holds(COUNTS).tolist() == [True, True, False, False, True, False]
    assert OTHERS.holds(COUNTS).tolist() == [False, False, True, True, False, True]
    assert NEW.holds(COUNTS).tolist() == [True, False, False, False, False, False]
    counts = np.arange(1000)
    assert np.array_equal(LONG_TAIL.holds(counts), ~OTHERS.holds(counts)) and ALL.holds(counts).all()


def test_metrics_are_those_of_the_cases_inside() -> None:
    few, new, others = measure_slices("mine", RANKS, COUNTS)
    assert (new.name, new.where) == ("new items", "items with no training event (n = 1)")
    assert new.median_ranks == {"mine": 1, "baseline": 12} and new.intervals["mine"] == {}
    assert (few.name, few.events, few.cases) == ("long-tail items", "< 5 training events", 3)
    assert (others.name, others.events, others.cases) == ("other items", "≥ 5 training events", 3)
    assert few.where == "items with < 5 training events (n = 3)"
    for part, mask in ((few, COUNTS < 5), (others, COUNTS >= 5)):
        assert list(part.metrics) == ["mine", "baseline"]
        for name, ranks in RANKS.items():
            inside = ranks[mask]
            assert part.median_ranks[name] == np.median(inside)
            low, high = part.intervals[name]["NDCG@10"]
            assert (low + high) / 2 == pytest.approx(part.metrics[name]["NDCG@10"])
            half = stats.t(2).ppf(0.975) * ndcg(inside).std(ddof=1) / np.sqrt(3)
            assert (high - low) / 2 == pytest.approx(half)
            assert part.metrics[name]["NDCG@10"] == pytest.approx(ndcg(inside).mean(), rel=1e-12)
            assert part.metrics[name]["Recall@5"] == pytest.approx((inside <= 5).mean(), rel=1e-12)
            assert part.metrics[name]["MRR@10"] == pytest.approx(
                np.where(inside <= 10, 1 / inside, 0).mean(), rel=1e-12
            )
    assert few.ordered() == ["baseline", "mine"] and others.ordered() == ["baseline", "mine"]
    assert few.ordered({"other": {"NDCG@10": 0.99}}) == ["other", "baseline", "mine"]


@pytest.mark.parametrize(("counts", "name"), [([4, 1], "long-tail items"), ([5, 9], "other items")])
def test_an_empty_slice_is_left_out(counts: list[int], name: str) -> None:
    (only,) = measure_slices("m", {"m": np.array([1, 2])}, np.array(counts))
    assert only.name == name and only.cases == 2
    assert measure_slices("m", {"m": np.empty(0, np.int64)}, np.empty(0, np.int64)) == ()


def test_the_best_baseline_of_the_slice_is_compared() -> None:
    chance = np.random.default_rng(0)
    few = np.arange(200) < 80
    ranks = {
        "mine": chance.integers(1, 30, 200),
        "strong": np.where(few, 99, 1),
        "rare": np.where(few, chance.integers(1, 15, 200), 99),
    }
    part, others = measure_slices("mine", ranks, np.where(few, 4, 5))
    difference = ndcg(ranks["mine"][few]) - ndcg(ranks["rare"][few])
    half = stats.t(79).ppf(0.975) * difference.std(ddof=1) / np.sqrt(80)
    found = part.comparison
    assert found is not None and found.baseline == "rare"
    assert found.interval.difference == pytest.approx(difference.mean(), rel=1e-12)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (difference.mean() - half, difference.mean() + half)
    )
    assert others.comparison is not None and others.comparison.baseline == "strong"


def test_too_few_cases_are_not_compared() -> None:
    def compared(cases: int) -> Comparison | None:
        ones = np.ones(cases, np.int64)
        (part,) = measure_slices("m", {"m": ones, "b": ones + 1}, ones)
        assert part.metrics["m"]["NDCG@10"] == 1.0
        return part.comparison

    assert compared(MIN_CASES - 1) is None
    found = compared(MIN_CASES)
    assert found is not None and found.interval.difference == pytest.approx(1 - 1 / np.log2(3))


def test_all_cases_are_measured_and_two_are_compared() -> None:
    found = measure(ALL, "mine", RANKS, COUNTS)
    assert found is not None and (found.cases, found.where) == (6, "")
    assert found.metrics["mine"]["NDCG@10"] == pytest.approx(ndcg(RANKS["mine"]).mean(), rel=1e-12)
    assert found.comparison is not None and found.comparison.baseline == "baseline"
    alone = measure(ALL, "m", {"m": np.array([1]), "b": np.array([2])}, np.array([0]))
    assert alone is not None and alone.comparison is None
