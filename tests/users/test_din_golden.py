"""DIN against a reading of the benchmark's description in NumPy: pair by pair."""

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
from pixelrec.users import din as module
from pixelrec.users.din import DIN

WIDTH, LENGTH = 4, 5
SPEC = DatasetSpec(users=3, items=9, length=LENGTH)
HISTORIES = [[3], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5], [1, 2, 3, 4, 5, 1]]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def score(history: list[int], q: np.ndarray, table: np.ndarray, w: dict[str, np.ndarray]) -> float:
    interest = np.zeros(WIDTH)
    for item in history:
        k = table[item]
        x = sigmoid(w["into.weight"] @ np.concatenate([q, k, q - k, q * k]) + w["into.bias"])
        for name in [n.removesuffix(".weight") for n in w if n.startswith("onward") and n.endswith("weight")]:
            x = w[f"{name}.weight"] @ x + w[f"{name}.bias"]
            x = x if len(x) == 1 else sigmoid(x)
        interest += x[0] / sqrt(WIDTH) * k
    return float(interest @ q)


def random_model(attention: tuple[int, ...] = (7, 3)) -> tuple[DIN, dict[str, np.ndarray], Tensor]:
    torch.manual_seed(1)
    model = DIN(SPEC, WIDTH, attention=attention).double().eval()
    return randomised(model, WIDTH)


def events_of(target_mask: str) -> Events:
    history = torch.tensor([[0] * (LENGTH + 1 - len(h)) + h for h in HISTORIES])
    places = {
        "all": history != 0,
        "last": (torch.arange(LENGTH + 1) == LENGTH).expand_as(history),
        "none": None,
    }
    nobody = torch.zeros(len(history), dtype=torch.int64)
    return Events(nobody, history, torch.zeros_like(history), places[target_mask])


def others(target_mask: str) -> list[list[int]]:
    if target_mask == "none":
        return HISTORIES
    if target_mask == "last":
        return [history[:-1] for history in HISTORIES]
    return [h[:place] + h[place + 1 :] for h in HISTORIES for place in range(len(h))]


@pytest.fixture(params=["whole", "in chunks"])
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "in chunks":
        monkeypatch.setattr(pairs_module, "PAIRS", 7)
        monkeypatch.setattr(module, "CANDIDATES", 4)
    return request.param


@pytest.mark.parametrize("target_mask", ["all", "last", "none"])
@pytest.mark.parametrize("attention", [(7, 3), (5,), (6, 4, 3)])
def test_every_pair_by_hand(target_mask: str, attention: tuple[int, ...], chunked: str) -> None:  # noqa: ARG001
    model, weights, table = random_model(attention)
    vectors = model(table, events_of(target_mask))
    everyone = np.array(
        [[score(h, q, table.numpy(), weights) for q in table.numpy()] for h in others(target_mask)]
    )
    np.testing.assert_allclose(model.score(vectors, table).detach().numpy(), everyone, rtol=1e-9, atol=1e-9)
    own = torch.randint(0, 10, (len(vectors), 3))
    expected = np.take_along_axis(everyone, own.numpy(), axis=1)
    found = model.score(vectors, table[own]).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_both_ways_to_score_have_the_same_gradients(chunked: str) -> None:  # noqa: ARG001
    model, _, table = random_model()
    slope = torch.randn(len(others("all")), 9, dtype=torch.float64)
    gradients = []
    for shared in (True, False):
        rows = table.clone().requires_grad_()
        model.zero_grad()
        vectors = model(rows, events_of("all"))
        candidates = rows[1:] if shared else rows[1:].expand(len(vectors), 9, WIDTH)
        (model.score(vectors, candidates) * slope).sum().backward()
        assert rows.grad is not None
        gradients.append([rows.grad, *(p.grad for p in model.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_gradients_equal_finite_differences(chunked: str) -> None:  # noqa: ARG001
    model, _, table = random_model()
    events = events_of("last")

    def scores(rows: Tensor) -> Tensor:
        rows = torch.cat([torch.zeros_like(rows[:1]), rows])
        return model.score(model(rows, events), rows[1:])

    assert torch.autograd.gradcheck(scores, (table[1:].requires_grad_(),))


def test_shared_candidates_meet_distinct_events_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, _, table = random_model()
    met: list[int] = []
    pairs = DIN._pairs

    def watched(self: DIN, events: Tensor, candidates: Tensor) -> Tensor:
        met.append(len(events))
        return pairs(self, events, candidates)

    monkeypatch.setattr(DIN, "_pairs", watched)
    model.score(model(table, events_of("all")), table)
    assert met == [10], "nine items and padding"


def test_an_empty_history_scores_zero() -> None:
    model, _, table = random_model()
    nothing = torch.zeros(2, LENGTH, dtype=torch.int64)
    vectors = model(table, Events(nothing[:, 0], nothing, nothing))
    assert not model.score(vectors, table).any()
    found = model.score(vectors, table[torch.tensor([[1, 2], [3, 4]])])
    assert found.shape == (2, 2) and not found.any()


def test_attention_has_layers() -> None:
    with pytest.raises(RecipeError, match=r"users.attention is \[\]; expected"):
        DIN(SPEC, WIDTH, attention=())


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    made = DIN(SPEC, 64, attention=(200, 100))
    last = [name for name, _ in made.named_parameters() if name.startswith("onward")][-2:]
    for name, parameter in made.named_parameters():
        if name in last:  # but for the last layer: every pair starts with a weight of about 1
            assert (parameter == 1).all() if name.endswith("bias") else 0 < parameter.abs().max() < 0.06, name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            expected = sqrt(2 / sum(parameter.shape))
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.2), name
