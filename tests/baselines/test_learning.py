"""Baselines learn in the generated world and do not in the random one."""

from __future__ import annotations

from math import log2

import pytest

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import test_cases, training_events, validation_cases
from pixelrec.demonstration.world import World
from pixelrec.evaluation.baselines import rank_baselines
from pixelrec.evaluation.metrics import metrics


def quality(dataset: Dataset) -> dict[str, float]:
    """Test NDCG@10 of every baseline."""
    found = rank_baselines(
        training_events(dataset),
        dataset.items,
        validation_cases(dataset),
        test_cases(dataset),
    )
    return {name: metrics(ranks)["NDCG@10"] for name, ranks in found.ranks.items()}


def test_neighbours_and_regression_find_the_law(dataset: Dataset, world: World) -> None:
    found = quality(dataset)
    assert found["item-kNN"] > 1.5 * found["popularity"]
    assert found["EASE"] > 1.2 * found["popularity"]
    assert found["popularity"] > 1.2 * found["random"]
    assert max(found.values()) < world.best_possible(10)["NDCG@10"], "nobody can know this much"


def test_there_is_nothing_to_find_where_there_is_no_law(random_dataset: Dataset) -> None:
    found = quality(random_dataset)
    chance = sum(1 / log2(rank + 1) for rank in range(1, 11)) / random_dataset.items
    assert found == pytest.approx(dict.fromkeys(found, chance), abs=0.025)
