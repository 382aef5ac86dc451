"""Dropout by random bits: probability, scale, and evaluation."""

from __future__ import annotations

import pytest
import torch

from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_drops_with_probability_p_and_keeps_the_mean(share: float) -> None:
    x = torch.ones(1_000_003)
    out = Dropout(share)(x)
    assert float((out == 0).double().mean()) == pytest.approx(share, abs=0.002)
    assert float(out.double().mean()) == pytest.approx(1.0, abs=0.005 / (1 - share))
    kept = out[out != 0]
    assert float(kept[0]) == pytest.approx(1 / (1 - share), rel=1e-4) and (kept == kept[0]).all()


def test_every_element_is_dropped_equally_often() -> None:
    out = torch.stack([Dropout(0.25)(torch.ones(8)) for _ in range(20_000)])
    torch.testing.assert_close(
        (out == 0).double().mean(0), torch.full((8,), 0.25).double(), atol=0.02, rtol=0
    )


def test_the_gradient_is_the_mask() -> None:
    x = torch.ones(100, requires_grad=True)
    out = Dropout(0.5)(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


def test_evaluation_and_p_0_change_nothing() -> None:
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_the_seed_decides() -> None:
    torch.manual_seed(3)
    first = Dropout(0.5)(torch.ones(50))
    torch.manual_seed(3)
    assert torch.equal(first, Dropout(0.5)(torch.ones(50)))


def test_packing_there_and_back() -> None:
    real = torch.tensor([[False, True, True], [False, False, False], [True, False, True]])
    packing = Packing.of(real)
    x = torch.randn(3, 3, 2)
    assert torch.equal(packing.pack(x), x[real])
    assert packing.columns.tolist() == [1, 2, 0, 2]
    assert torch.equal(packing.unpack(x[real]), torch.where(real[..., None], x, 0))
