"""SASRec and MF against readings of arXiv 2309.06789 and 1808.09781 in plain float64 NumPy."""

from __future__ import annotations

from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from users.golden import Weights, demand_published_start, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.mf import MF
from pixelrec.users.sasrec import SASRec

WIDTH, LENGTH, HEADS = 8, 5, 2


def normed(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float = 1e-12) -> np.ndarray:
    mean = x.mean()
    return (x - mean) / sqrt(((x - mean) ** 2).mean() + epsilon) * weight + bias


def layer(x: list[np.ndarray], w: Weights, name: str) -> list[np.ndarray]:
    """One post-norm transformer layer over the real events of one history, position by position."""
    size = WIDTH // HEADS
    project = w[f"{name}.attention.query_key_value.weight"], w[f"{name}.attention.query_key_value.bias"]
    q, k, v = ([(project[0] @ e + project[1])[i * WIDTH : (i + 1) * WIDTH] for e in x] for i in range(3))
    out = []
    for i in range(len(x)):
        mixed = np.zeros(WIDTH)
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = np.array([q[i][part] @ k[j][part] / sqrt(size) for j in range(i + 1)])
            share = np.exp(scores - scores.max())
            share /= share.sum()
            mixed[part] = sum(share[j] * v[j][part] for j in range(i + 1))
        dense = w[f"{name}.attention.dense.weight"] @ mixed + w[f"{name}.attention.dense.bias"]
        a = normed(x[i] + dense, w[f"{name}.attention.norm.weight"], w[f"{name}.attention.norm.bias"])
        inner = w[f"{name}.feed_forward.into.weight"] @ a + w[f"{name}.feed_forward.into.bias"]
        inner = np.array([0.5 * z * (1 + erf(z / sqrt(2))) for z in inner])
        b = w[f"{name}.feed_forward.out.weight"] @ inner + w[f"{name}.feed_forward.out.bias"]
        out.append(normed(a + b, w[f"{name}.feed_forward.norm.weight"], w[f"{name}.feed_forward.norm.bias"]))
    return out


def sasrec(history: list[int], table: np.ndarray, w: Weights, layers: int) -> list[np.ndarray]:
    start = LENGTH - len(history)
    x = [table[item] + w["positions"][start + place] for place, item in enumerate(history)]
    x = [normed(e, w["norm.weight"], w["norm.bias"]) for e in x]
    for number in range(layers):
        x = layer(x, w, f"transformer.layers.{number}")
    return x


def random_model(layers: int) -> tuple[SASRec, Weights, torch.Tensor]:
    torch.manual_seed(1)
    spec = DatasetSpec(users=3, items=9, length=LENGTH)
    model = SASRec(spec, WIDTH, layers=layers, heads=HEADS, expansion=2.0).double().eval()
    return randomised(model, WIDTH)


@pytest.mark.parametrize("layers", [1, 2])
def test_sasrec_by_hand(layers: int) -> None:
    model, weights, table = random_model(layers)
    histories = [[3], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5]]
    rows = torch.tensor([[0] * (LENGTH - len(h)) + h for h in histories])
    with torch.no_grad():
        events = Events(torch.zeros(4, dtype=torch.int64), rows, torch.zeros_like(rows), rows != 0)
        found = list(model(table, events).split([len(h) for h in histories]))
    for row, history in enumerate(histories):
        expected = np.stack(sasrec(history, table.numpy(), weights, layers))
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-9, atol=1e-9)


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    model = SASRec(DatasetSpec(3, 9, 50), 64)
    demand_published_start(model, rel=0.1)


def test_mf_is_a_vector_per_user_and_its_towers_are_perceptrons() -> None:
    torch.manual_seed(0)
    spec = DatasetSpec(users=4, items=9, length=5)
    events = Events(torch.tensor([2, 4]), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0))
    plain = MF(spec, 6)
    assert torch.equal(plain(torch.zeros(10, 6), events), plain.rows.weight[[2, 4]])
    deep = MF(spec, 6, towers=(5, 3)).double().eval()
    table = torch.randn(10, 6, dtype=torch.float64)
    expected = np.stack([tower(deep.item_tower, row) for row in table.numpy()])
    np.testing.assert_allclose(deep.refine(table).detach().numpy(), expected, rtol=1e-9)
    assert deep(deep.refine(table), events).shape == (2, 3)


def tower(layers: Any, x: np.ndarray) -> np.ndarray:
    """Dropout → linear → batch norm → tanh, with running statistics still at 0 and 1."""
    for linear in (m for m in layers if isinstance(m, torch.nn.Linear)):
        x = np.tanh((linear.weight.detach().numpy() @ x + linear.bias.detach().numpy()) / sqrt(1 + 1e-5))
    return x
