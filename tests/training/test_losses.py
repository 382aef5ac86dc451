"""Every loss against its formula written plainly in float64, and its gradient against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import pytest
import torch
from torch import Tensor

from pixelrec.batch import Scores
from pixelrec.training.losses import LOSSES, bce, bpr, gbce, softmax

Loss = Callable[[Scores], Tensor]
NONE = -math.inf
POSITIVE = [1.5, -0.3, 4.0, 0.0]
NEGATIVE = [[0.2, -1.0, 2.0], [NONE, 0.7, NONE], [NONE, NONE, NONE], [-30.0, 35.0, NONE]]
WINDOWS, CATALOGUE = 2, 11


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def plain_bpr(s: float, others: list[float], epsilon: float = 0.0) -> float:
    return sum(-math.log(sigmoid(s - n) + epsilon) for n in others) / max(1, len(others))


def plain_bce(s: float, others: list[float]) -> float:
    return -math.log(sigmoid(s)) - sum(math.log(sigmoid(-n)) for n in others)  # 1 − σ(n) = σ(−n)


def plain_gbce(s: float, others: list[float], t: float = 0.75) -> float:
    alpha = len(others) / (CATALOGUE - 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha) if others else 1 - t  # 1 - t is its limit
    terms = math.log(sigmoid(s) ** beta) + sum(math.log(sigmoid(-n)) for n in others)
    return -terms / (len(others) + 1)


def plain_softmax(s: float, others: list[float]) -> float:
    return -math.log(math.exp(s) / sum(math.exp(x) for x in [s, *others]))


PLAIN: Mapping[str, tuple[Loss, Callable[[float, list[float]], float], int]] = {
    "bpr": (bpr, plain_bpr, 4),
    "bpr of a window": (partial(bpr, reduction="window"), plain_bpr, WINDOWS),
    "bpr as published": (partial(bpr, epsilon=1e-8), partial(plain_bpr, epsilon=1e-8), 4),
    "bpr, large epsilon": (partial(bpr, epsilon=0.3), partial(plain_bpr, epsilon=0.3), 4),
    "bce": (bce, plain_bce, 4),
    "bce of a window": (partial(bce, reduction="window"), plain_bce, WINDOWS),
    "gbce": (gbce, plain_gbce, 4),
    "gbce, not calibrated": (partial(gbce, calibration=0.0), partial(plain_gbce, t=0.0), 4),
    "gbce, fully calibrated": (partial(gbce, calibration=1.0), partial(plain_gbce, t=1.0), 4),
    "softmax": (softmax, plain_softmax, 4),
}
EVERY = pytest.mark.parametrize("name", PLAIN)


def scores(positive: Tensor, negative: Tensor) -> Scores:
    return Scores(positive, negative, WINDOWS, CATALOGUE)


def tensors(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return (
        torch.tensor(POSITIVE, dtype=dtype, requires_grad=True),
        torch.tensor(NEGATIVE, dtype=dtype, requires_grad=True),
    )


@EVERY
def test_value(name: str) -> None:
    loss, plain, divisor = PLAIN[name]
    each = [plain(s, [n for n in others if n != NONE]) for s, others in zip(POSITIVE, NEGATIVE, strict=True)]
    assert loss(scores(*tensors())).item() == pytest.approx(sum(each) / divisor, rel=1e-12)


@EVERY
def test_gradient_equals_finite_differences(name: str) -> None:
    loss = PLAIN[name][0]
    positive = torch.tensor(POSITIVE, dtype=torch.float64, requires_grad=True)
    finite = torch.tensor(
        [[0.2, -1.0], [0.1, 0.7], [3.0, 2.0], [-3.0, 1.0]], dtype=torch.float64, requires_grad=True
    )
    idle = torch.tensor([[False, True], [False, False], [True, True], [False, False]])
    assert torch.autograd.gradcheck(
        lambda p, n: loss(scores(p, n.masked_fill(idle, NONE))), (positive, finite), atol=1e-9
    )


@EVERY
def test_a_masked_negative_has_no_gradient_and_makes_no_nan(name: str) -> None:
    positive, negative = tensors(torch.float32)
    PLAIN[name][0](scores(positive, negative)).backward()
    assert positive.grad is not None and negative.grad is not None
    assert positive.grad.isfinite().all() and negative.grad.isfinite().all()
    assert not negative.grad[negative == NONE].any()


@EVERY
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_scores_stay_finite(name: str, size: float) -> None:
    positive = torch.tensor([size], requires_grad=True)
    negative = torch.tensor([[-size, 0.0]], requires_grad=True)
    value = PLAIN[name][0](scores(positive, negative))
    value.backward()
    assert value.isfinite() and positive.grad is not None and positive.grad.isfinite().all()


@EVERY
def test_without_targets_the_loss_is_zero_and_differentiable(name: str) -> None:
    positive, negative = torch.zeros(0, requires_grad=True), torch.zeros(0, 3, requires_grad=True)
    value = PLAIN[name][0](Scores(positive, negative, 0, CATALOGUE))
    value.backward()
    assert value.item() == 0 and positive.grad is not None and negative.grad is not None


@EVERY
def test_without_negatives_the_loss_is_finite(name: str) -> None:
    positive = torch.tensor([0.5, 1.0], requires_grad=True)
    value = PLAIN[name][0](scores(positive, torch.zeros(2, 0)))
    value.backward()
    assert value.isfinite()


@EVERY
def test_half_precision_scores_are_summed_in_float32(name: str) -> None:
    made = torch.Generator().manual_seed(0)
    positive = torch.randn(200, generator=made).bfloat16()
    negative = torch.randn(200, 300, generator=made).bfloat16()
    value = PLAIN[name][0](scores(positive, negative))
    exact = PLAIN[name][0](scores(positive.double(), negative.double()))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)


@EVERY
def test_a_nan_score_gives_a_nan_loss(name: str) -> None:
    positive, negative = torch.zeros(2), torch.tensor([[0.0], [math.nan]])
    assert PLAIN[name][0](scores(positive, negative)).isnan()


def test_published_bpr_gives_no_gradient_where_the_sigmoid_vanishes() -> None:
    positive = torch.tensor([-200.0], requires_grad=True)
    value = bpr(scores(positive, torch.tensor([[0.0]])), epsilon=1e-8)
    value.backward()
    assert value.item() == pytest.approx(-math.log(1e-8), rel=1e-6)
    assert positive.grad is not None and positive.grad.item() == pytest.approx(0, abs=1e-12)


def test_every_loss_is_registered_under_its_name() -> None:
    assert all(function.__name__ == name for name, function in LOSSES.items())
    assert set(LOSSES) == {"bpr", "bce", "gbce", "softmax"}
