"""BERT4Rec against a reading of arXiv 1904.06690 and 2309.06789 in plain float64 NumPy."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest
import torch
from users.golden import Weights, demand_published_start, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.bert4rec import BERT4Rec

WIDTH, LENGTH, HEADS = 8, 5, 2
HIDDEN = 0


def normed(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    mean = x.mean()
    return (x - mean) / sqrt(((x - mean) ** 2).mean() + 1e-12) * weight + bias


def linear(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def layer(x: list[np.ndarray], w: Weights, name: str) -> list[np.ndarray]:
    """One post-norm layer in which every event looks at every event."""
    size = WIDTH // HEADS
    q, k, v = zip(*(np.split(linear(w, f"{name}.attention.query_key_value", e), 3) for e in x), strict=True)
    out = []
    for i in range(len(x)):
        mixed = np.zeros(WIDTH)
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            share = np.exp([q[i][part] @ k[j][part] / sqrt(size) for j in range(len(x))])
            mixed[part] = sum(share[j] / share.sum() * v[j][part] for j in range(len(x)))
        a = x[i] + linear(w, f"{name}.attention.dense", mixed)
        a = normed(a, w[f"{name}.attention.norm.weight"], w[f"{name}.attention.norm.bias"])
        inner = linear(w, f"{name}.feed_forward.into", a)
        assert len(inner) == WIDTH, "the feed-forward layer is as wide as the rest"
        inner = np.array([0.5 * z * (1 + erf(z / sqrt(2))) for z in inner])
        b = a + linear(w, f"{name}.feed_forward.out", inner)
        out.append(normed(b, w[f"{name}.feed_forward.norm.weight"], w[f"{name}.feed_forward.norm.bias"]))
    return out


def bert4rec(line: list[int], table: np.ndarray, w: Weights, layers: int) -> list[np.ndarray]:
    """The outputs at every place of at most L + 1 events, some of them `HIDDEN`."""
    first = LENGTH + 1 - len(line)
    x = []
    for place, item in enumerate(line):
        token = w["mask_token"] if item == HIDDEN else table[item]
        x.append(normed(token + w["positions"][first + place], w["norm.weight"], w["norm.bias"]))
    for number in range(layers):
        x = layer(x, w, f"transformer.layers.{number}")
    return x


def random_model(layers: int) -> tuple[BERT4Rec, Weights, torch.Tensor]:
    model = BERT4Rec(DatasetSpec(users=3, items=9, length=LENGTH), WIDTH, layers=layers, heads=HEADS)
    model = model.double().eval()
    return randomised(model, WIDTH)


def events_of(lines: list[list[int]], width: int) -> Events:
    history = torch.tensor([[0] * (width - len(line)) + line for line in lines])
    return Events(torch.zeros(len(lines), dtype=torch.int64), history, torch.zeros_like(history))


@pytest.mark.parametrize("layers", [1, 2])
def test_masked_events_by_hand(layers: int) -> None:
    model, weights, table = random_model(layers)
    lines = [[0, 2], [4, 0], [0, 0], [4, 0, 4, 2, 0], [9, 0, 7, 0, 0, 5], [0, 3, 3, 3, 3, 3], [1]]
    events = events_of(lines, LENGTH + 1)
    target_mask = torch.tensor(
        [[False] * (LENGTH + 1 - len(ids)) + [i == HIDDEN for i in ids] for ids in lines]
    )
    with torch.no_grad():
        found = model(table, Events(events.users, events.history, events.times, target_mask)).numpy()
    expected = [
        vector
        for ids in lines
        for item, vector in zip(ids, bert4rec(ids, table.numpy(), weights, layers), strict=True)
        if item == HIDDEN
    ]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("width", [LENGTH - 1, LENGTH, LENGTH + 3])
def test_the_next_event_by_hand(layers: int, width: int) -> None:
    """A mask token behind the latest L events, however wide the histories come."""
    model, weights, table = random_model(layers)
    lines = [[3], [1, 2], [4, 4, 2, 4], [], [8, 7, 6, 5, 4, 3, 2, 1][-width:]]
    with torch.no_grad():
        found = model(table, events_of(lines, width).latest(LENGTH)).numpy()
    expected = [bert4rec([*ids[-LENGTH:], HIDDEN], table.numpy(), weights, layers)[-1] for ids in lines]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-9, atol=1e-9)


def test_weights_start_as_published() -> None:
    model = BERT4Rec(DatasetSpec(3, 9, 50), 128)
    assert model.positions.shape == (51, 128)
    demand_published_start(model, rel=0.2)
