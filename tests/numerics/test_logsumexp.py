"""The chunked log-sum-exp against the dense formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.numerics import logsumexp as module
from pixelrec.numerics.logsumexp import competing_logsumexp

TARGETS = torch.tensor([3, 7, 1, 3, 9, 0, 5])
NEGATIVES = torch.tensor([3, 8, 0, 3, 1, 9, 9, 2, 0, 6])
LOG_Q = torch.linspace(-2, 1, 10, dtype=torch.float64)


def draw(rows: int = 10, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(TARGETS), 4, generator=made, dtype=torch.float64).to(dtype).requires_grad_()
    return vectors, torch.randn(rows, 4, generator=made, dtype=torch.float64).to(dtype).requires_grad_()


def dense(
    vectors: Tensor, table: Tensor, targets: Tensor, negatives: Tensor | None, log_q: Tensor | None
) -> Tensor:
    """Sums over all competitors, one target at a time."""
    negatives = torch.arange(1, len(table)) if negatives is None else negatives
    log_q = torch.zeros(len(negatives)) if log_q is None else log_q
    results = []
    for vector, target in zip(vectors, targets.tolist(), strict=True):
        terms = [
            torch.exp(vector @ table[row] - q)
            for row, q in zip(negatives.tolist(), log_q, strict=True)
            if row not in (0, target)
        ]
        results.append(torch.stack(terms).sum().log())
    return torch.stack(results)


@pytest.mark.parametrize("block", [2, 1024])
@pytest.mark.parametrize("chunk", [1, 3, 4, 9, 1024])
@pytest.mark.parametrize(
    "negatives, log_q", [(None, None), (None, LOG_Q[:9]), (NEGATIVES, None), (NEGATIVES, LOG_Q)]
)
def test_value_and_gradients_equal_the_dense_formula(
    negatives: Tensor | None, log_q: Tensor | None, chunk: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_targets", lambda _device: block)
    vectors, table = draw()
    got = competing_logsumexp(vectors, table, TARGETS, negatives, log_q, chunk=chunk)
    expected = dense(vectors, table, TARGETS, negatives, log_q)
    slope = torch.linspace(-1, 2, len(TARGETS), dtype=torch.float64)
    for ours, theirs in zip(
        (got, *torch.autograd.grad(got, (vectors, table), slope)),
        (expected, *torch.autograd.grad(expected, (vectors, table), slope)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("negatives", [None, NEGATIVES])
def test_gradients_equal_finite_differences(negatives: Tensor | None) -> None:
    assert torch.autograd.gradcheck(
        lambda v, t: competing_logsumexp(v, t, TARGETS, negatives, chunk=4), draw(), atol=1e-7
    )


def test_padding_and_own_row_have_no_gradient() -> None:
    vectors, table = draw()
    competing_logsumexp(vectors, table, torch.full((7,), 4), None, chunk=3).sum().backward()
    assert table.grad is not None
    assert not table.grad[0].any() and not table.grad[4].any() and table.grad[5].any()


def test_softmax_over_it_is_the_softmax_over_the_catalogue() -> None:
    vectors, table = draw(60)
    targets = TARGETS + 1
    positive = (vectors * table[targets]).sum(dim=1)
    rest = competing_logsumexp(vectors, table, targets, chunk=16)
    loss = (torch.logaddexp(positive, rest) - positive).mean()
    whole = torch.nn.functional.cross_entropy(vectors @ table[1:].T, targets - 1)
    torch.testing.assert_close(loss, whole)


@pytest.mark.parametrize("negatives", [torch.tensor([0, 2]), torch.tensor([], dtype=torch.int64)])
def test_without_competitors_it_is_minus_infinity_and_has_no_gradient(negatives: Tensor) -> None:
    vectors, table = draw()
    got = competing_logsumexp(vectors, table, torch.full((7,), 2), negatives)
    assert got.tolist() == [-torch.inf] * 7
    got.clamp(min=0).sum().backward()
    assert vectors.grad is not None and table.grad is not None
    assert not vectors.grad.any() and not table.grad.any()


def test_no_targets() -> None:
    vectors, table = draw()
    got = competing_logsumexp(vectors[:0], table, TARGETS[:0], NEGATIVES)
    got.sum().backward()
    assert got.shape == (0,) and table.grad is not None and not table.grad.any()


def test_huge_scores_do_not_overflow() -> None:
    vectors, table = draw(dtype=torch.float32)
    got = competing_logsumexp(vectors * 1e4, table * 10, TARGETS, chunk=2)
    expected = dense_log(vectors.detach().numpy() * 1e4, table.detach().numpy() * 10)
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-5)


def dense_log(vectors: np.ndarray, table: np.ndarray) -> np.ndarray:
    scores = vectors.astype(np.float64) @ table.astype(np.float64).T
    scores[:, 0] = -np.inf
    scores[np.arange(len(TARGETS)), TARGETS.numpy()] = -np.inf
    return np.logaddexp.reduce(scores, axis=1)


def test_autocast_multiplies_in_bfloat16_and_sums_in_float32() -> None:
    made = torch.Generator().manual_seed(0)
    vectors = torch.randn(64, 32, generator=made).requires_grad_()
    table = (0.1 * torch.randn(5000, 32, generator=made)).requires_grad_()
    targets = torch.randint(1, 5000, (64,), generator=made)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = competing_logsumexp(vectors, table, targets, chunk=512)
    exact = competing_logsumexp(vectors.double(), table.double(), targets, chunk=512)
    assert got.dtype == torch.float32
    # summing 5,000 terms in bfloat16 would be off by far more
    torch.testing.assert_close(got.double(), exact, rtol=0, atol=2e-3)
    assert not torch.equal(got, exact.float()), "the products were not bfloat16"
    for ours, theirs in zip(
        torch.autograd.grad(got.sum(), (vectors, table)),
        torch.autograd.grad(exact.sum(), (vectors, table)),
        strict=True,
    ):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=2e-3)


def test_memory_does_not_hold_targets_times_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            largest = max(largest, result.numel()) if isinstance(result, Tensor) else largest
            return result

    vectors, table = torch.randn(100, 2, requires_grad=True), torch.randn(1001, 2, requires_grad=True)
    monkeypatch.setattr(module, "_targets", lambda _device: 10)
    with Watch():
        competing_logsumexp(vectors, table, torch.ones(100, dtype=torch.int64), chunk=100).sum().backward()
    assert 1000 <= largest <= 2002


def test_slopes_are_not_rounded_to_bfloat16() -> None:
    """Equal ones would err alike, and the table's gradient with them."""
    torch.manual_seed(0)
    vectors, table = torch.randn(500, 16), torch.randn(40, 16, requires_grad=True)
    rows = torch.randint(1, 40, (500,))
    exact = table.detach().double().requires_grad_()
    slope = torch.full((500,), 1.0038 / 512)  # bfloat16 makes 1 / 512 of it
    with torch.autocast("cpu", torch.bfloat16):
        competing_logsumexp(vectors, table, rows).backward(slope)
    competing_logsumexp(vectors.double(), exact, rows).backward(slope.double())
    scale = (table.grad * exact.grad).sum() / exact.grad.square().sum()  # type: ignore[operator,union-attr]
    assert abs(float(scale) - 1) < 2e-3
