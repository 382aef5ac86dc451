"""The log-sum-exp of any score, against that of dot products and against the dense formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pixelrec.numerics.logsumexp import competing_logsumexp, scored_logsumexp

TARGETS = torch.tensor([3, 7, 1, 3, 9, 5])


def draw() -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(TARGETS), 4, generator=made, dtype=torch.float64).requires_grad_()
    return vectors, torch.randn(10, 4, generator=made, dtype=torch.float64).requires_grad_()


def dot(vectors: Tensor, rows: Tensor) -> Tensor:
    return vectors @ rows.T


def distance(vectors: Tensor, rows: Tensor) -> Tensor:
    return -torch.cdist(vectors, rows)


@pytest.mark.parametrize("chunk", [1, 2, 4, 9, 64])
def test_a_dot_product_gives_the_same(chunk: int) -> None:
    vectors, table = draw()
    ours = scored_logsumexp(dot, vectors, table, TARGETS, chunk=chunk)
    theirs = competing_logsumexp(vectors, table, TARGETS)
    torch.testing.assert_close(ours, theirs)
    slope = torch.linspace(-1, 2, len(TARGETS), dtype=torch.float64)
    for mine, other in zip(
        torch.autograd.grad(ours, (vectors, table), slope),
        torch.autograd.grad(theirs, (vectors, table), slope),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_other_scores_equal_the_dense_formula(chunk: int) -> None:
    vectors, table = draw()
    ours = scored_logsumexp(distance, vectors, table, TARGETS, chunk=chunk)
    scores = distance(vectors, table)
    scores = torch.stack(
        [scores[m, [r for r in range(1, 10) if r != t]] for m, t in enumerate(TARGETS.tolist())]
    )
    theirs = scores.logsumexp(dim=1)
    torch.testing.assert_close(ours, theirs)
    for mine, other in zip(
        torch.autograd.grad(ours.sum(), (vectors, table)),
        torch.autograd.grad(theirs.sum(), (vectors, table)),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)
        assert mine.isfinite().all()


def test_only_a_chunk_of_scores_is_held() -> None:
    vectors, table = torch.randn(50, 2, requires_grad=True), torch.randn(1001, 2, requires_grad=True)
    held: list[int] = []
    targets = torch.ones(50, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t.numel()) or t, lambda t: t):
        scored_logsumexp(dot, vectors, table, targets, chunk=100).sum().backward()
    assert max(held) <= 5000
