"""The best k items against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.errors import DivergedError, RequestError
from pixelrec.numerics.top_k import top_k

NOBODY = torch.zeros(0, dtype=torch.int64)


def draw(users: int, items: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(1)
    vectors = torch.randn(users, width, generator=made)
    table = torch.randn(items + 1, width, generator=made)
    table[0] = 100.0  # padding must never be recommended
    seen = torch.randint(0, items + 1, (4 * users,), generator=made)
    owners = torch.randint(0, users, (4 * users,), generator=made)
    return vectors, table, seen, owners


def sorted_best(vectors: Tensor, table: Tensor, k: int, seen: Tensor, owners: Tensor) -> np.ndarray:
    # not a matrix product: it may give equal vectors unequal scores
    scores = (vectors.double().numpy()[:, None] * table.double().numpy()).sum(axis=2)
    best = np.zeros((len(vectors), k), np.int64)
    for user in range(len(vectors)):
        left = set(range(1, len(table))) - set(seen[owners == user].tolist())
        first = sorted(left, key=lambda item: (-scores[user, item], item))[:k]
        best[user, : len(first)] = first
    return best


@pytest.mark.parametrize("tile", [1, 5, 16, 80, 4096, None])
@pytest.mark.parametrize("k", [1, 7, 80, 100])
def test_the_best_are_those_of_a_full_sort(k: int, tile: int | None) -> None:
    vectors, table, seen, owners = draw(23, 80, 12)
    scores, items = top_k(vectors, table, k, seen, owners, tile=tile)
    expected = sorted_best(vectors, table, k, seen, owners)
    np.testing.assert_array_equal(items.numpy(), expected)
    exact = (vectors.double()[:, None] * table.double()[items]).sum(dim=2).masked_fill(items == 0, -torch.inf)
    torch.testing.assert_close(scores, exact.float())


@pytest.mark.parametrize("tile", [1, 7, 64, None])
def test_ties_go_to_the_smaller_item_number(tile: int | None) -> None:
    made = torch.Generator().manual_seed(2)
    vectors = torch.randint(-1, 2, (20, 6), generator=made).float()
    table = torch.randint(-1, 2, (201, 6), generator=made).float()
    _, items = top_k(vectors, table, 15, NOBODY, NOBODY, tile=tile)
    np.testing.assert_array_equal(items.numpy(), sorted_best(vectors, table, 15, NOBODY, NOBODY))


@pytest.mark.parametrize("tile", [16, None])
def test_equal_vectors_come_in_order(tile: int | None) -> None:
    vectors, table, *_ = draw(40, 100, 33)
    table[:] = table[3].clone()
    _, items = top_k(vectors, table, 5, NOBODY, NOBODY, tile=tile)
    assert items.tolist() == [[1, 2, 3, 4, 5]] * 40


def test_nearly_equal_and_extreme_scores() -> None:
    vectors, table, seen, owners = draw(10, 90, 32)
    for scale, offset in ((1.0, 1e4), (1e-30, 0.0), (1e30, 0.0)):
        case = (vectors * scale, table * scale + offset)
        _, items = top_k(*case, 10, seen, owners, tile=16)
        np.testing.assert_array_equal(items.numpy(), sorted_best(*case, 10, seen, owners))


def test_better_items_further_on_replace_all() -> None:
    table = torch.arange(0.0, 101)[:, None]
    scores, items = top_k(torch.ones(2, 1), table, 3, NOBODY, NOBODY, tile=8)
    assert items.tolist() == [[100, 99, 98]] * 2
    assert scores.tolist() == [[100.0, 99.0, 98.0]] * 2


def test_missing_items_are_padding() -> None:
    vectors, table, *_ = draw(2, 3, 4)
    seen, owners = torch.tensor([1, 2, 2, 3, 1]), torch.tensor([0, 0, 0, 0, 1])
    scores, items = top_k(vectors, table, 3, seen, owners)
    assert items[0].tolist() == [0, 0, 0] and scores[0].tolist() == [-torch.inf] * 3
    assert sorted(items[1].tolist()) == [0, 2, 3] and items[1, 2] == 0 and scores[1, 2] == -torch.inf


def test_no_user() -> None:
    _, table, *_ = draw(2, 3, 4)
    scores, items = top_k(torch.zeros(0, 4), table, 3, NOBODY, NOBODY)
    assert scores.shape == items.shape == (0, 3)


def test_bad_requests_are_refused() -> None:
    vectors, table, seen, owners = draw(3, 10, 4)
    with pytest.raises(RequestError, match="0 items were asked for"):
        top_k(vectors, table, 0, seen, owners)
    with pytest.raises(RequestError, match="seen item 11"):
        top_k(vectors, table, 3, torch.tensor([11]), torch.tensor([0]))
    vectors[1, 1] = torch.nan
    with pytest.raises(DivergedError, match="vectors of users"):
        top_k(vectors, table, 3, seen, owners)
