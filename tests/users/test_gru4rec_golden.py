"""GRU4Rec against a reading of arXiv 2309.06789 in plain float64 NumPy, event by event."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from users.golden import Weights, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.packing import Packing
from pixelrec.users.gru4rec import GRU4Rec, by_step

WIDTH, LENGTH = 6, 5
HISTORIES = [[3], [], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5], [2, 1]]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def states(x: list[np.ndarray], into: np.ndarray, back: np.ndarray) -> list[np.ndarray]:
    """The states of gated recurrent units without bias; gates are reset, update, new."""
    size = back.shape[1]
    state = np.zeros(size)
    out = []
    for event in x:
        read, kept = (into @ event).reshape(3, size), (back @ state).reshape(3, size)
        reset, update = sigmoid(read[0] + kept[0]), sigmoid(read[1] + kept[1])
        new = np.tanh(read[2] + reset * kept[2])
        state = (1 - update) * new + update * state
        out.append(state)
    return out


def gru4rec(history: list[int], table: np.ndarray, w: Weights, layers: int) -> np.ndarray:
    x = [table[item] for item in history]
    for number in range(layers):
        x = states(x, w[f"units.weight_ih_l{number}"], w[f"units.weight_hh_l{number}"])
    return np.array([w["dense.weight"] @ state + w["dense.bias"] for state in x])


def random_model(layers: int, hidden: float) -> tuple[GRU4Rec, Weights, torch.Tensor]:
    model = (
        GRU4Rec(DatasetSpec(3, 9, LENGTH), WIDTH, layers=layers, hidden=hidden, dropout=0.5).double().eval()
    )
    return randomised(model, WIDTH)


def padded(histories: list[list[int]], width: int = LENGTH) -> torch.Tensor:
    return torch.tensor([[0] * (width - len(h)) + h for h in histories])


@pytest.mark.parametrize(("layers", "hidden"), [(1, 1.0), (1, 2.0), (2, 0.5)])
def test_gru4rec_by_hand(layers: int, hidden: float) -> None:
    model, weights, table = random_model(layers, hidden)
    rows = padded(HISTORIES)
    users = torch.zeros(len(rows), dtype=torch.int64)
    expected = [gru4rec(h, table.numpy(), weights, layers) for h in HISTORIES]
    with torch.no_grad():
        every = model(table, Events(users, rows, torch.zeros_like(rows), rows != 0))
        np.testing.assert_allclose(every.numpy(), np.concatenate([e for e in expected if len(e)]), rtol=1e-9)
        one = rows != 0
        one[:, :-1] = False
        last = model(table, Events(users, rows, torch.zeros_like(rows), one))
        np.testing.assert_allclose(last.numpy(), [e[-1] for e in expected if len(e)], rtol=1e-9)
        after_all = model(table, Events(users, rows, torch.zeros_like(rows)))
    assert not after_all[1].any(), "nobody's history is nothing"
    np.testing.assert_allclose(after_all[[0, 2, 3, 4, 5]].numpy(), last.numpy(), rtol=1e-12)


def test_empty_histories_only() -> None:
    model, _, table = random_model(1, 1.0)
    nothing = torch.zeros(2, LENGTH, dtype=torch.int64)
    assert torch.equal(
        model(table, Events(nothing[:, 0], nothing, nothing)), torch.zeros(2, WIDTH, dtype=torch.float64)
    )


def test_events_are_read_step_by_step_longest_first() -> None:
    order, sizes = by_step(Packing.of(padded([[1], [2, 3, 4], [], [5, 6]]) != 0))
    events = torch.tensor([1, 2, 3, 4, 5, 6])  # as they are packed
    assert events[order].tolist() == [2, 5, 1, 3, 6, 4]
    assert sizes.tolist() == [3, 2, 1]


def test_units_start_xavier_uniform() -> None:
    model = GRU4Rec(DatasetSpec(3, 9, LENGTH), 64, layers=2, hidden=2.0)
    for name, weight in model.units.named_parameters():
        bound = (6 / sum(weight.shape)) ** 0.5
        assert float(weight.detach().abs().max()) == pytest.approx(bound, rel=0.01), name
    assert not any("bias" in name for name, _ in model.units.named_parameters())
    assert float(model.dense.weight.detach().abs().max()) == pytest.approx(128**-0.5, rel=0.01)
