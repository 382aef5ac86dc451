"""Ranks and best items from whole rows of scores: as the dot product's way finds them, and by a full sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.errors import DivergedError, RequestError
from pixelrec.evaluation.ranks import count_dense_ranks, count_ranks
from pixelrec.numerics.top_k import dense_top_k, top_k

NOBODY = torch.zeros(0, dtype=torch.int64)


def draw(users: int = 37, items: int = 100, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(seed)
    vectors = torch.randn(users, 8, generator=made)
    table = torch.randn(items + 1, 8, generator=made)
    table[0] = 100.0  # padding must never count, even if it would win
    table[7] = table[8]  # a tie
    targets = torch.randint(1, items + 1, (users,), generator=made)
    targets[:4] = 7
    owners = torch.randint(0, users, (3 * users,), generator=made)
    return vectors, table, targets, torch.randint(0, items + 1, (3 * users,), generator=made), owners


def exact(vectors: Tensor, table: Tensor) -> Tensor:
    return (vectors.double()[:, None] * table.double()).sum(dim=2)


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_those_of_the_dot_products_way(seed: int) -> None:
    vectors, table, targets, seen, owners = draw(seed=seed)
    found = count_dense_ranks(exact(vectors, table), targets, seen, owners)
    expected = count_ranks(vectors, table, targets, seen, owners)
    assert torch.equal(found, expected) and len(found.unique()) > 20


def test_scores_that_differ_by_rounding_tie() -> None:
    scores = torch.tensor([[9.0, 1.0, 1.0 - 1e-10, 1.0 + 1e-10, 1.0 - 1e-7, 0.5, -1.0]]).double()
    scores[0, 2:5] = torch.tensor([1.0 - 1e-10, 1.0 + 1e-10, 1.0 - 1e-7], dtype=torch.float64)
    assert count_dense_ranks(scores, torch.tensor([1]), NOBODY, NOBODY).tolist() == [3]
    assert count_dense_ranks(torch.ones(2, 6), torch.tensor([1, 5]), NOBODY, NOBODY).tolist() == [5, 5]


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_scores_that_are_not_finite_are_refused(wrong: float) -> None:
    scores = torch.ones(2, 6)
    scores[1, 3] = wrong
    with pytest.raises(DivergedError, match="not finite"):
        count_dense_ranks(scores, torch.tensor([1, 2]), NOBODY, NOBODY)


@pytest.mark.parametrize("k", [1, 7, 100])
def test_the_best_are_those_of_the_dot_products_way(k: int) -> None:
    vectors, table, _, seen, owners = draw()
    best, items = dense_top_k(exact(vectors, table), k, seen, owners)
    expected, expected_items = top_k(vectors, table, k, seen, owners)
    np.testing.assert_array_equal(items.numpy(), expected_items.numpy())
    torch.testing.assert_close(best.float(), expected)


def test_more_is_requested_than_there_is() -> None:
    scores = torch.tensor([[9.0, 1.0, 3.0], [9.0, 1.0, 1.0]])
    best, items = dense_top_k(scores, 2, torch.tensor([2, 2, 0]), torch.tensor([0, 0, 0]))
    assert items.tolist() == [[1, 0], [1, 2]] and best.tolist() == [[1.0, -torch.inf], [1.0, 1.0]]
    assert scores[0, 2] == 3, "the scores are the caller's"
    with pytest.raises(RequestError, match="0 items"):
        dense_top_k(scores, 0, NOBODY, NOBODY)
    with pytest.raises(RequestError, match="seen item 3"):
        dense_top_k(scores, 1, torch.tensor([3]), torch.tensor([0]))
