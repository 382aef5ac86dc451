"""Metrics against their definitions, one user at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pixelrec.errors import DataError, RecipeError
from pixelrec.evaluation.metrics import metrics, per_user

RANKS = [1, 2, 5, 6, 10, 11, 1, 96282, 3]


def plain(name: str, rank: int) -> float:
    kind, k = name.split("@")
    if rank > int(k):
        return 0.0
    return {"Recall": 1.0, "NDCG": 1 / math.log2(rank + 1), "MRR": 1 / rank}[kind]


@pytest.mark.parametrize("cutoffs", [(5, 10), (1,), (10, 3), (1000000,)])
def test_means_and_values_of_users(cutoffs: tuple[int, ...]) -> None:
    got, values = metrics(RANKS, cutoffs=cutoffs), per_user(RANKS, cutoffs=cutoffs)
    assert list(got) == list(values) == [f"{kind}@{k}" for k in cutoffs for kind in ("Recall", "NDCG", "MRR")]
    for name, value in got.items():
        expected = [plain(name, rank) for rank in RANKS]
        assert value == pytest.approx(sum(expected) / len(RANKS), rel=1e-14)
        np.testing.assert_allclose(values[name], expected, rtol=1e-15)


def test_default_names() -> None:
    assert list(metrics([1])) == ["Recall@5", "NDCG@5", "MRR@5", "Recall@10", "NDCG@10", "MRR@10"]
    assert set(metrics([1]).values()) == {1.0} and set(metrics([11]).values()) == {0.0}


def test_lists_arrays_and_tensors_are_the_same() -> None:
    assert metrics(RANKS) == metrics(np.array(RANKS, np.int32)) == metrics(torch.tensor(RANKS))


@pytest.mark.parametrize(
    "ranks, says",
    [([], "shape"), ([[1, 2]], "shape"), ([0, 1], "from 0"), ([1.5], "float64"), ([-3], "from -3")],
)
def test_invalid_ranks_are_refused(ranks: list[float], says: str) -> None:
    for function in (metrics, per_user):
        with pytest.raises(DataError, match=says):
            function(ranks)


@pytest.mark.parametrize("cutoffs", [(), (0,), (5, -1)])
def test_invalid_cutoffs_are_refused(cutoffs: tuple[int, ...]) -> None:
    for function in (metrics, per_user):
        with pytest.raises(RecipeError, match="cutoffs"):
            function([1], cutoffs=cutoffs)
