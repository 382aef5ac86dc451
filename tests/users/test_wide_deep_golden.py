"""Wide & Deep against a reading of arXiv 1606.07792 in NumPy, pair by pair."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from torch import Tensor
from users.golden import randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks import pairs as pairs_module
from pixelrec.errors import RecipeError
from pixelrec.users.wide_deep import WideDeep

WIDTH, LENGTH = 4, 5
SPEC = DatasetSpec(users=3, items=9, length=LENGTH)
HISTORIES = [[3], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5], [1, 2, 3, 4, 5, 1]]


def score(history: list[int], q: np.ndarray, table: np.ndarray, w: dict[str, np.ndarray]) -> float:
    h = sum((table[item] for item in history), np.zeros(WIDTH)) / max(1, len(history))
    wide = sum(w["linear"][j] * q[j] for j in range(WIDTH))
    wide += sum(w["cross"][i, j] * h[i] * q[j] for i in range(WIDTH) for j in range(WIDTH))
    x = np.maximum(0, w["into.weight"] @ np.concatenate([h, q]) + w["into.bias"])
    for name in [n.removesuffix(".weight") for n in w if n.startswith("onward") and n.endswith("weight")]:
        x = w[f"{name}.weight"] @ x
        x = x if len(x) == 1 else np.maximum(0, x + w[f"{name}.bias"])
    return float(wide + x[0])


def random_model(deep: tuple[int, ...]) -> tuple[WideDeep, dict[str, np.ndarray], Tensor]:
    torch.manual_seed(1)
    model = WideDeep(SPEC, WIDTH, deep=deep, dropout=0.3).double().eval()
    return randomised(model, WIDTH)


def events_of(target_mask: bool) -> Events:
    history = torch.tensor([[0] * (LENGTH + 1 - len(h)) + h for h in HISTORIES])
    nobody = torch.zeros(len(history), dtype=torch.int64)
    return Events(nobody, history, torch.zeros_like(history), history != 0 if target_mask else None)


@pytest.mark.parametrize("held", [7, 10_000])
@pytest.mark.parametrize("target_mask", [True, False])
@pytest.mark.parametrize("deep", [(5,), (7, 3), (6, 4, 3)])
def test_every_pair_by_hand(
    target_mask: bool, deep: tuple[int, ...], held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs_module, "PAIRS", held)
    model, weights, table = random_model(deep)
    known = [h[:p] + h[p + 1 :] for h in HISTORIES for p in range(len(h))] if target_mask else HISTORIES
    everyone = np.array([[score(h, q, table.numpy(), weights) for q in table.numpy()] for h in known])
    vectors = model(table, events_of(target_mask))
    np.testing.assert_allclose(model.score(vectors, table).detach().numpy(), everyone, rtol=1e-9, atol=1e-9)
    own = torch.randint(0, 10, (len(vectors), 3))
    expected = np.take_along_axis(everyone, own.numpy(), axis=1)
    found = model.score(vectors, table[own]).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("held", [7, 10_000])
def test_gradients_equal_finite_differences(shared: bool, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "PAIRS", held)
    model, _, table = random_model((5, 3))
    events = events_of(True)

    def scores(rows: Tensor) -> Tensor:
        vectors = model(rows, events)
        return model.score(vectors, rows if shared else rows[1:4].expand(len(vectors), 3, WIDTH))

    assert torch.autograd.gradcheck(scores, (table.requires_grad_(),))


def test_layers_have_units() -> None:
    with pytest.raises(RecipeError, match=r"users.deep is \[3, -1\]; expected"):
        WideDeep(SPEC, WIDTH, deep=(3, -1))


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    for name, parameter in WideDeep(SPEC, 64, deep=(200, 100)).named_parameters():
        if name.endswith("bias") or name == "linear":
            assert not parameter.any(), name
        else:
            expected = sqrt(2 / sum(parameter.shape))
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.2), name
