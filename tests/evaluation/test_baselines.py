"""Ranks by baselines: counted as models' are, and chosen by validation alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np
import pytest

from pixelrec.baselines import BASELINES
from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.baselines.popularity import Popularity
from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, test_cases, training_events, validation_cases
from pixelrec.evaluation import baselines as module
from pixelrec.evaluation import ranker
from pixelrec.evaluation.baselines import BaselineRanker, best_candidate, rank_baselines, sample
from pixelrec.evaluation.metrics import metrics

N = 6


def cases(targets: list[int], shown: list[list[int]]) -> EvaluationCases:
    lengths = np.array([0, *map(len, shown)])
    stops = np.cumsum(lengths)
    items = np.array([item for each in shown for item in each], np.int32)
    histories = Histories(items, np.arange(len(items)), stops - lengths, stops)
    return EvaluationCases("test", np.arange(1, len(shown) + 1), np.array(targets), histories)


@final
@dataclass(frozen=True)
class Fixed(AbstractBaseline):
    """Gives everyone the scores it was made with."""

    of_items: tuple[float, ...]  # 1 … N
    choice: str = ""

    @classmethod
    def candidates(cls, histories: Histories, items: int) -> Iterator[Self]:  # noqa: ARG003
        for favourite in range(1, items + 1):
            yield cls(tuple(float(item == favourite) for item in range(1, items + 1)), f"likes {favourite}")

    def scores(self, histories: Histories, users: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return np.tile([9.0, *self.of_items], (len(users), 1))


def test_ties_and_history_and_a_target_already_seen() -> None:
    evaluated = cases([2, 2, 2, 6, 2], [[5], [1, 3], [4], [6, 1], []])
    baseline = Fixed((3.0, 2.0, 2.0, 5.0, 4.0, -1.0))
    # Item 3 ties with the target 2; what was seen leaves the way; who saw the target has it last.
    assert BaselineRanker(baseline, N).rank(evaluated).tolist() == [4, 3, 4, N, 5]


def test_rounding_makes_no_difference() -> None:
    evaluated = cases([2], [[5]])
    for close in (1e6 - 1e-9, 1e6, 1e6 + 1e-9):
        assert BaselineRanker(Fixed((close, 1e6, 3.0, 5.0, 4.0, -1.0)), N).rank(evaluated).tolist() == [2]
    assert BaselineRanker(Fixed((1e6 - 1, 1e6, 3.0, 5.0, 4.0, -1.0)), N).rank(evaluated).tolist() == [1]


def test_ranks_of_popularity_are_those_of_a_sort(dataset: Dataset) -> None:
    evaluated, training = test_cases(dataset), training_events(dataset)
    counts = Popularity.fit(training, dataset.items).counts
    shown = evaluated.histories
    expected = []
    for user, target in zip(evaluated.users.tolist(), evaluated.targets.tolist(), strict=True):
        seen = set(shown.items[shown.starts[user] : shown.stops[user]].tolist())
        baseline_ranks = [item for item in range(1, dataset.items + 1) if item not in seen and item != target]
        better = sum(counts[item] >= counts[target] for item in baseline_ranks)
        expected.append(dataset.items if target in seen else 1 + better)
    found = BaselineRanker(Popularity.fit(training, dataset.items), dataset.items).rank(evaluated)
    assert found.tolist() == expected


@pytest.mark.parametrize("scores", [1, 500, 10**7])
def test_blocks_of_users_change_no_rank(
    dataset: Dataset, scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated, training = validation_cases(dataset), training_events(dataset)
    expected = {
        name: BaselineRanker(next(kind.candidates(training, dataset.items)), dataset.items).rank(evaluated)
        for name, kind in BASELINES.items()
    }
    monkeypatch.setattr(ranker, "_SCORES", scores)
    some = replace(evaluated, users=evaluated.users[5:45], targets=evaluated.targets[5:45])
    for name, kind in BASELINES.items():
        found = BaselineRanker(next(kind.candidates(training, dataset.items)), dataset.items).rank(some)
        assert found.tolist() == expected[name][5:45].tolist(), name


def test_the_best_on_validation_is_chosen_the_first_of_equal_ones() -> None:
    shown = [[1]] * 5
    evaluated = cases([4, 4, 4, 2, 3], shown)
    found = best_candidate(Fixed.candidates(evaluated.histories, N), N, evaluated)
    assert found.choice == "likes 4"
    values = {
        each.choice: metrics(BaselineRanker(each, N).rank(evaluated), cutoffs=(10,))["NDCG@10"]
        for each in Fixed.candidates(evaluated.histories, N)
    }
    assert max(values, key=lambda name: values[name]) == "likes 4"
    equal = cases([2, 3], shown[:2])
    assert best_candidate(Fixed.candidates(equal.histories, N), N, equal).choice == "likes 2"


def test_nothing_is_tuned_on_test_events(dataset: Dataset) -> None:
    training, validation, test = (
        training_events(dataset),
        validation_cases(dataset),
        test_cases(dataset),
    )
    shuffled = replace(test, targets=np.roll(test.targets, 1))
    one = rank_baselines(training, dataset.items, validation, test)
    other = rank_baselines(training, dataset.items, validation, shuffled)
    assert one.notes == other.notes and set(one.notes) == {"recent popularity", "item-kNN", "EASE"}
    assert any((one.ranks[name] != other.ranks[name]).any() for name in one.ranks)
    at_validation = rank_baselines(training, dataset.items, validation, validation)
    assert at_validation.notes == one.notes
    quality = metrics(at_validation.ranks["item-kNN"])["NDCG@10"]
    knn = BASELINES["item-kNN"].candidates(training, dataset.items)
    assert quality == max(
        metrics(BaselineRanker(each, dataset.items).rank(validation))["NDCG@10"] for each in knn
    )


def test_at_most_ten_thousand_cases_tune_always_the_same(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = validation_cases(dataset)
    assert sample(everyone) is everyone
    monkeypatch.setattr(module, "SAMPLE", 50)
    some, again = sample(everyone), sample(everyone)
    assert len(some) == len(set(some.users.tolist())) == 50
    np.testing.assert_array_equal(some.users, again.users)
    target_of = dict(zip(everyone.users.tolist(), everyone.targets.tolist(), strict=True))
    assert [target_of[user] for user in some.users.tolist()] == some.targets.tolist()


def test_a_baseline_for_too_many_items_is_left_out_with_a_reason(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.baselines.ease.MOST_ITEMS", 50)
    evaluated, started = validation_cases(dataset), []
    found = rank_baselines(training_events(dataset), dataset.items, evaluated, evaluated, started.append)
    assert list(found.ranks) == ["random", "popularity", "recent popularity", "item-kNN"]
    assert found.notes["EASE"].startswith("left out: it is solved for up to 50 items")
    assert started == list(BASELINES)
