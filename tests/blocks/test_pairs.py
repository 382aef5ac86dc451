"""Chunks of pairs: the same result, the same gradients, and only some pairs at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pixelrec.blocks import pairs as module
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.pairs import in_chunks


@pytest.mark.parametrize("held", [1, 20, 29, 30, 1000])
def test_values_and_gradients_are_those_of_the_whole(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    others = torch.randn(10, 3, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(7, 10, dtype=torch.float64)
    sizes: list[int] = []

    def compared(some: Tensor) -> Tensor:
        sizes.append(len(some))
        return torch.sigmoid(some @ others.T)

    monkeypatch.setattr(module, "PAIRS", held)
    whole = compared(rows)
    found = in_chunks(compared, rows, len(others))
    torch.testing.assert_close(found, whole)
    for ours, theirs in zip(
        torch.autograd.grad(found, (rows, others), slope),
        torch.autograd.grad(whole, (rows, others), slope),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
    assert max(sizes[1:]) * 10 <= max(held, 10)


def test_no_rows_are_allowed() -> None:
    assert in_chunks(lambda rows: rows * 2, torch.zeros(0, 3), 5).shape == (0, 3)


def test_recomputation_repeats_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward pass recomputes chunks with the same dropout masks."""
    monkeypatch.setattr(module, "PAIRS", 50)
    dropout = Dropout(0.5).train()
    rows = torch.ones(40, 10, requires_grad=True)
    found = in_chunks(lambda some: dropout(some) * some, rows, 10)
    found.sum().backward()
    assert rows.grad is not None and 0 < int((found == 0).sum()) < 400
    torch.testing.assert_close(rows.grad, 2 * found.detach())
