"""LightSANs against a reading of PixelRec's arXiv 2309.06789 in plain float64 NumPy, prefix by prefix."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest
import torch
from users.golden import Weights, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.lightsans import LightSANs

WIDTH, LENGTH, HEADS, INTERESTS = 8, 5, 2, 3
SIZE = WIDTH // HEADS


def normed(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    mean = x.mean()
    return (x - mean) / sqrt(((x - mean) ** 2).mean() + 1e-12) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def pool(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """k interests: weighted means of all places."""
    return np.stack([softmax(x @ theta[:, i]) @ x for i in range(theta.shape[1])])


def layer(x: np.ndarray, positions: np.ndarray, w: Weights, name: str) -> np.ndarray:
    """All L places of one line, padding among them."""
    q, k, v = np.split(np.stack([linear(w, f"{name}.query_key_value", e) for e in x]), 3, axis=1)
    keys, values = pool(k, w[f"{name}.key_interests"]), pool(v, w[f"{name}.value_interests"])
    places = np.stack(
        [linear(w, f"{name}.position_query_key", normed(p, w, f"{name}.position_norm")) for p in positions]
    )
    pq, pk = np.split(places, 2, axis=1)
    mixed = np.zeros_like(x)
    for head in range(HEADS):
        part = slice(head * SIZE, (head + 1) * SIZE)
        for i in range(INTERESTS):
            weight = softmax(np.array([q[a, part] @ keys[i, part] / sqrt(SIZE) for a in range(LENGTH)]))
            for a in range(LENGTH):
                mixed[a, part] += weight[a] * values[i, part]
        for b in range(LENGTH):
            scores = [pq[a, part] / sqrt(2 * SIZE) @ pk[b, part] / sqrt(SIZE) for a in range(LENGTH)]
            weight = softmax(np.array(scores))
            for a in range(LENGTH):
                mixed[a, part] += weight[a] * v[b, part]
    out = []
    for event, taken in zip(x, mixed, strict=True):
        a = normed(event + linear(w, f"{name}.dense", taken), w, f"{name}.norm")
        inner = linear(w, f"{name}.feed_forward.into", a)
        assert len(inner) == 2 * WIDTH
        inner = np.array([0.5 * z * (1 + erf(z / sqrt(2))) for z in inner])
        out.append(normed(a + linear(w, f"{name}.feed_forward.out", inner), w, f"{name}.feed_forward.norm"))
    return np.stack(out)


def lightsans(prefix: list[int], table: np.ndarray, w: Weights, layers: int) -> np.ndarray:
    padded = [0] * (LENGTH - len(prefix)) + prefix
    x = np.stack([normed(table[item], w, "norm") for item in padded])
    for number in range(layers):
        x = layer(x, w["positions"], w, f"layers.{number}")
    return x[-1]


def random_model(layers: int) -> tuple[LightSANs, Weights, torch.Tensor]:
    model = LightSANs(DatasetSpec(users=3, items=9, length=LENGTH), WIDTH, layers=layers, heads=HEADS)
    model = model.double().eval()
    return randomised(model, WIDTH)


def events_of(lines: list[list[int]], width: int, target_mask: torch.Tensor | None = None) -> Events:
    history = torch.tensor([[0] * (width - len(line)) + line for line in lines])
    return Events(torch.zeros(len(lines), dtype=torch.int64), history, torch.zeros_like(history), target_mask)


LINES = [[3], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5], [2, 5, 2, 5, 2]]


def prefixes_of(target_mask: torch.Tensor) -> list[list[int]]:
    return [
        line[: place - target_mask.shape[1] + len(line) + 1]
        for line, row in zip(LINES, target_mask.tolist(), strict=True)
        for place, wanted in enumerate(row)
        if wanted
    ]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pattern", ["every", "last", "one", "some"])
def test_target_prefixes_by_hand(layers: int, pattern: str) -> None:
    """Windows with all their targets, or a row for each target."""
    model, weights, table = random_model(layers)
    real = events_of(LINES, LENGTH).history != 0
    place = torch.arange(LENGTH)
    one = torch.tensor([4, 3, 2, 1, 0])[:, None] == place  # the third is the second of its events, …
    target_mask = {
        "every": real,
        "last": (place == LENGTH - 1).expand_as(real),
        "one": one,
        "some": real & (place != 3),
    }[pattern]
    with torch.no_grad():
        found = model(table, events_of(LINES, LENGTH, target_mask)).numpy()
    expected = [lightsans(prefix, table.numpy(), weights, layers) for prefix in prefixes_of(target_mask)]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("width", [2, LENGTH, LENGTH + 3])
def test_the_next_event_by_hand(layers: int, width: int) -> None:
    model, weights, table = random_model(layers)
    lines = [[], [7], [1, 1], [8, 7, 6, 5, 4, 3, 2, 1][-width:]]
    with torch.no_grad():
        found = model(table, events_of(lines, width)).numpy()
    assert not found[0].any(), "nothing is known of nobody"
    expected = [lightsans(line[-LENGTH:], table.numpy(), weights, layers) for line in lines[1:]]
    np.testing.assert_allclose(found[1:], np.stack(expected), rtol=1e-9, atol=1e-9)


def test_longer_windows_give_the_vectors_of_the_latest_events() -> None:
    model, weights, table = random_model(1)
    line = [1, 2, 3, 4, 5, 6, 7, 8]
    with torch.no_grad():
        found = model(table, events_of([line], 8, torch.ones(1, 8, dtype=torch.bool))).numpy()
    for place in range(8):
        prefix = line[: place + 1][-LENGTH:]
        np.testing.assert_allclose(found[place], lightsans(prefix, table.numpy(), weights, 1), rtol=1e-9)


def test_the_gradient_of_windows_is_that_of_their_prefixes() -> None:
    """Sharing among prefixes does not change gradients, and padding does not make them infinite."""
    gradients = []
    for rows in ("windows", "prefixes"):
        torch.manual_seed(5)
        model, _, table = random_model(1)
        table.requires_grad_()
        lines = LINES if rows == "windows" else prefixes_of(events_of(LINES, LENGTH).history != 0)
        events = events_of(lines, LENGTH)
        last = torch.arange(LENGTH) == LENGTH - 1
        target_mask = events.history != 0 if rows == "windows" else last.expand_as(events.history)
        vectors = model(table, Events(events.users, events.history, events.times, target_mask))
        (vectors * torch.arange(WIDTH)).square().sum().backward()
        gradients.append([table.grad, *(p.grad for p in model.parameters())])
    for shared, own in zip(*gradients, strict=True):
        torch.testing.assert_close(shared, own, rtol=1e-8, atol=1e-8)


def test_weights_start_as_published() -> None:
    model = LightSANs(DatasetSpec(3, 9, 50), 128)
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            expected = 1 if name.endswith("_interests") else 0.02
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.1), name
