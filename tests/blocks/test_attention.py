"""Attention: the fused form and the one in steps are the same formula, gradients and dropout included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.blocks import attention
from pixelrec.blocks.attention import attend, attend_in_steps
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.transformer import BLOCKED, Transformer, causal

B, HEADS, L, SIZE = 3, 2, 5, 4


def inputs(places: int = L) -> list[torch.Tensor]:
    shape = (B, HEADS, L, SIZE)
    q, k, v = (torch.randn(shape, dtype=torch.float64) for _ in range(3))
    return [x.requires_grad_() for x in (q[:, :, -places:].clone(), k, v)]


MASKS = {
    "causal": torch.ones(L, L).tril()[None, None].expand(B, 1, L, L),
    "padding": torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 1]])[:, None, None],
    "nothing to see": torch.zeros(B, 1, 1, L),
}


@pytest.mark.parametrize("name", list(MASKS))
def test_both_forms_are_the_formula(name: str) -> None:
    q, k, v = inputs()
    mask = torch.zeros(MASKS[name].shape).masked_fill(MASKS[name] == 0, BLOCKED)
    off = Dropout(0.5).eval()
    found = attend_in_steps(q, k, v, mask, off)
    fused = attend(q, k, v, mask, off)  # float64 is never done in steps
    for b in range(B):
        for h in range(HEADS):
            scores = (q[b, h] @ k[b, h].T).detach().numpy() / 2 + mask[b, 0].numpy()
            share = np.exp(scores - scores.max(axis=1, keepdims=True))
            expected = share / share.sum(axis=1, keepdims=True) @ v[b, h].detach().numpy()
            np.testing.assert_allclose(found[b, h].detach().numpy(), expected, rtol=1e-9)
    torch.testing.assert_close(found, fused)
    wanted = torch.randn_like(found)
    close = 1e-9 if MASKS[name].any() else 1e-6  # beside −1e9 late digits of scores are lost
    for one, other in zip(
        torch.autograd.grad(found, (q, k, v), wanted),
        torch.autograd.grad(fused, (q, k, v), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=close, atol=close)


def test_dropout_applies_to_the_weights() -> None:
    q, k, _ = (x.detach() for x in inputs())
    q = q.expand(B, HEADS, L, SIZE) * 0
    v = torch.eye(L, dtype=torch.float64).expand(B, HEADS, L, L)
    out = torch.stack([attend(q, k, v, torch.zeros(1, 1, 1, L), Dropout(0.25)) for _ in range(300)])
    assert out.unique().tolist() == [0.0, pytest.approx(0.2 / 0.75, rel=1e-4)]
    assert float((out == 0).double().mean()) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("steps", [True, False])
def test_the_form_does_not_change_the_result(steps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(attention, "steps_win", lambda *_: steps)
    monkeypatch.setattr(
        attention, "attend_in_steps", lambda *given: called.append(1) or attend_in_steps(*given)
    )
    q, k, v = inputs()
    mask = torch.zeros(B, 1, 1, L)
    result = attend(q, k, v, mask, Dropout(0.5).eval())
    assert len(called) == steps
    torch.testing.assert_close(result, attend_in_steps(q, k, v, mask, Dropout(0.0)))


@pytest.mark.parametrize(
    ("dtype", "length", "size", "share", "expected"),
    [
        (torch.float32, 50, 128, 0.1, True),
        (torch.float32, 50, 32, 0.0, False),
        (torch.float32, 10, 32, 0.0, True),
        (torch.float32, 10, 128, 0.0, False),
        (torch.bfloat16, 50, 128, 0.0, True),
        (torch.bfloat16, 500, 128, 0.0, False),
        (torch.float64, 10, 16, 0.0, False),
    ],
)
def test_rule_of_steps(dtype: torch.dtype, length: int, size: int, share: float, expected: bool) -> None:
    q = torch.zeros(1, 1, length, size, dtype=dtype)
    assert attention.steps_win(q, length, share) is expected
    assert not attention.steps_win(q.to("meta"), length, share), "only on a CPU"


def transformer(layers: int) -> Transformer:
    made = Transformer(8, layers=layers, heads=2, inner=16, attention_dropout=0.1, hidden_dropout=0.1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return made.double().eval()


@pytest.mark.parametrize("layers", [1, 2])
def test_the_last_layer_computes_only_targets(layers: int) -> None:
    made = transformer(layers)
    real = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]]).bool()
    packing = Packing.of(real)
    x = torch.randn(int(real.sum()), 8, dtype=torch.float64)
    everywhere = packing.unpack(made(x, causal(real), packing, real))
    some = real & torch.tensor([True, False, False, True])
    torch.testing.assert_close(made(x, causal(real), packing, some), everywhere[some])
    latest = made(x, causal(real), packing, None)
    torch.testing.assert_close(latest, everywhere[:, -1])
    assert not latest[0].any() and latest[1:].any(dim=1).all()
