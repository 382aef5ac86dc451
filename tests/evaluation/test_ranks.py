"""Counted ranks against a full sort in float64, on cases made to break the counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.errors import DataError, DivergedError
from pixelrec.evaluation import ranks as module
from pixelrec.evaluation.ranks import count_ranks

NOBODY = torch.zeros(0, dtype=torch.int64)


def draw(users: int, items: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(seed)
    vectors = torch.randn(users, width, generator=made)
    table = torch.randn(items + 1, width, generator=made)
    table[0] = 100.0  # padding must never count, even if it would win
    targets = torch.randint(1, items + 1, (users,), generator=made)
    owners = torch.randint(0, users, (3 * users,), generator=made)
    seen = torch.randint(0, items + 1, (3 * users,), generator=made)  # repeats and padding included
    return vectors, table, targets, seen, owners


def sorted_ranks(vectors: Tensor, table: Tensor, targets: Tensor, seen: Tensor, owners: Tensor) -> np.ndarray:
    """The place of each target in a full descending sort, float64, where it stands behind its ties."""
    items = len(table) - 1
    # not a matrix product: it may give equal vectors unequal scores
    scores = (vectors.double().numpy()[:, None] * table.double().numpy()).sum(axis=2)
    ranks = []
    for user, target in enumerate(targets.tolist()):
        history = set(seen[owners == user].tolist())
        if target in history:
            ranks.append(items)
            continue
        baseline_ranks = [item for item in range(1, items + 1) if item not in history and item != target]
        ordered = sorted([*baseline_ranks, target], key=lambda i: (-scores[user, i], i == target))
        ranks.append(1 + ordered.index(target))
    return np.array(ranks)


def check(case: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], *, tile: int | None = None) -> None:
    np.testing.assert_array_equal(count_ranks(*case, tile=tile).numpy(), sorted_ranks(*case))


@pytest.mark.parametrize("tile", [1, 3, 8, 64, 100, 101, 4096, None])
def test_ranks_are_those_of_a_full_sort_for_every_tile(tile: int | None) -> None:
    check(draw(37, 100, 16), tile=tile)


@pytest.mark.parametrize("width", [1, 7, 513, 1200])
def test_every_width(width: int) -> None:
    check(draw(9, 60, width), tile=16)


@pytest.mark.parametrize("items", [1024, 2047, 2048, 3100])
def test_more_items_than_a_tile_by_default(items: int) -> None:
    table = torch.arange(items + 1.0)[:, None]
    targets = torch.tensor([1, 2, items // 2, items - 1, items])
    got = count_ranks(torch.ones(5, 1), table, targets, NOBODY, NOBODY)
    assert got.tolist() == (items + 1 - targets).tolist()
    table[1:] = 1
    table[-1] = 0
    assert count_ranks(torch.ones(1, 1), table, targets[4:], NOBODY, NOBODY).tolist() == [items]


def test_users_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw(41, 50, 8)
    expected = sorted_ranks(*case)
    for users in (1, 7, 41, 100):
        monkeypatch.setattr(module, "_USERS", users)
        np.testing.assert_array_equal(count_ranks(*case, tile=16).numpy(), expected)


@pytest.mark.parametrize("copies", [3, 200])
def test_copies_of_the_target_tie_with_it(copies: int) -> None:
    vectors, table, targets, seen, owners = draw(20, 300, 33)
    targets[:] = 7
    table[torch.randperm(299)[:copies] + 1] = table[7].clone()
    check((vectors, table, targets, seen, owners), tile=64)


def test_identical_items_all_tie() -> None:
    vectors, table, targets, *_ = draw(50, 400, 24)
    table[:] = table[5].clone()
    assert count_ranks(vectors, table, targets, NOBODY, NOBODY, tile=128).tolist() == [400] * 50


@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_items_so_alike_that_float32_cannot_order_them(offset: float) -> None:
    vectors, table, targets, seen, owners = draw(20, 300, 64)
    check((vectors + 1, table + offset, targets, seen, owners), tile=128)


def test_one_unit_in_the_last_place() -> None:
    vectors, table, targets, *_ = draw(30, 200, 128)
    table[1:] = table[1].clone()
    for item in range(2, 201):
        where, up = item % 128, torch.tensor(torch.inf if item % 3 else -torch.inf)
        table[item, where] = torch.nextafter(table[item, where], up)
    case = (vectors, table, targets, NOBODY, NOBODY)
    check(case, tile=64)
    naive = vectors @ table.T
    naive_ranks = (naive[:, 1:] >= naive.gather(1, targets[:, None])).sum(dim=1)
    assert (naive_ranks.numpy() != sorted_ranks(*case)).any(), (
        "this case no longer needs the exact comparison"
    )


def test_ties_of_different_vectors() -> None:
    made = torch.Generator().manual_seed(3)
    vectors = torch.randint(-1, 2, (30, 12), generator=made).float()
    table = torch.randint(-1, 2, (301, 12), generator=made).float()
    targets = torch.randint(1, 301, (30,), generator=made)
    check((vectors, table, targets, NOBODY, NOBODY), tile=128)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-20, 1e20, 1e30, 3e37])
@pytest.mark.parametrize("other", [1e-30, 1.0, 1e30])
def test_huge_and_tiny_numbers(scale: float, other: float) -> None:
    vectors, table, targets, seen, owners = draw(10, 80, 16)
    check((vectors * scale, table * other, targets, seen, owners), tile=32)


def test_products_that_the_processor_flushes_to_zero() -> None:
    vectors, table, targets, seen, owners = draw(10, 80, 16)
    case = (vectors * 3e-20, table * 3e-20, targets, seen, owners)
    expected = sorted_ranks(*case)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush denormal numbers")
    try:
        got = count_ranks(*case, tile=32)
    finally:
        torch.set_flush_denormal(False)
    np.testing.assert_array_equal(got.numpy(), expected)


def test_lengths_of_all_sizes_in_one_catalogue() -> None:
    vectors, table, targets, seen, owners = draw(20, 200, 16)
    check((vectors, table * torch.logspace(-30, 30, 201)[:, None], targets, seen, owners), tile=32)


def test_zero_vectors_tie_with_everything() -> None:
    vectors, table, targets, *_ = draw(4, 30, 8)
    assert count_ranks(vectors * 0, table, targets, NOBODY, NOBODY).tolist() == [30] * 4
    assert count_ranks(vectors, table * 0, targets, NOBODY, NOBODY).tolist() == [30] * 4
    assert count_ranks(vectors * -0.0, table, targets, NOBODY, NOBODY, tile=8).tolist() == [30] * 4


def test_history_does_not_count_and_repeats_count_once() -> None:
    table = torch.tensor([[9.0], [5.0], [4.0], [3.0], [2.0], [1.0]])
    vector, target = torch.ones(1, 1), torch.tensor([4])
    assert count_ranks(vector, table, target, NOBODY, NOBODY).tolist() == [4]
    seen = torch.tensor([1, 1, 1, 3, 0, 5])
    assert count_ranks(vector, table, target, seen, torch.zeros_like(seen)).tolist() == [2]


def test_a_target_already_seen_is_last() -> None:
    vectors, table, targets, *_ = draw(3, 20, 4)
    got = count_ranks(vectors, table, targets, targets[1:2], torch.tensor([1]))
    alone = count_ranks(vectors, table, targets, NOBODY, NOBODY)
    assert got.tolist() == [alone[0], 20, alone[2]]


def test_one_item_and_no_user() -> None:
    table = torch.tensor([[0.0], [1.0]])
    assert count_ranks(torch.ones(2, 1), table, torch.tensor([1, 1]), NOBODY, NOBODY).tolist() == [1, 1]
    none = count_ranks(torch.ones(0, 1), table, NOBODY, NOBODY, NOBODY)
    assert none.dtype == torch.int64 and none.tolist() == []


def test_float64_and_half_precision_vectors() -> None:
    vectors, table, targets, seen, owners = draw(15, 90, 12)
    check((vectors.double() * 1e100, table.double() * 1e100, targets, seen, owners), tile=32)
    check((vectors.bfloat16(), table.bfloat16(), targets, seen, owners), tile=32)
    check((vectors, table.double() * (1 + 1e-12), targets, seen, owners), tile=32)


def test_torch_settings_change_nothing_and_are_restored() -> None:
    case = draw(30, 200, 64)
    expected = sorted_ranks(*case)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = count_ranks(case[0].requires_grad_(), *case[1:])
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["users", "items"])
def test_vectors_that_are_not_finite_are_refused(broken: float, where: str) -> None:
    vectors, table, targets, seen, owners = draw(5, 20, 4)
    (vectors if where == "users" else table)[3, 2] = broken
    with pytest.raises(DivergedError, match=f"1 of .* vectors of {where} .* row 3"):
        count_ranks(vectors, table, targets, seen, owners)


def test_scores_beyond_float64_are_refused() -> None:
    vectors, table, targets, seen, owners = draw(5, 20, 4)
    with pytest.raises(DivergedError, match="overflow"):
        count_ranks(vectors.double() * 1e200, table.double() * 1e200, targets, seen, owners)


@pytest.mark.parametrize("wrong", [0, -1, 21])
def test_targets_outside_the_catalogue_are_refused(wrong: int) -> None:
    vectors, table, targets, seen, owners = draw(5, 20, 4)
    targets[2] = wrong
    with pytest.raises(DataError, match=f"target {wrong} is not in the catalogue of items 1 to 20"):
        count_ranks(vectors, table, targets, seen, owners)


def test_history_outside_the_catalogue_is_refused() -> None:
    vectors, table, targets, *_ = draw(5, 20, 4)
    with pytest.raises(DataError, match="history item 21"):
        count_ranks(vectors, table, targets, torch.tensor([21]), torch.tensor([0]))
