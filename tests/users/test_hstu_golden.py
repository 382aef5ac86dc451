"""HSTU against a reading of arXiv 2402.17152 (equations 1 to 3) in plain float64 NumPy, event by event."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from users.golden import Weights, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.hstu import HSTU, powers_of_two

WIDTH, LENGTH, HEADS, BUCKETS = 8, 6, 2, 20
HISTORIES = [[3], [], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5, 9]]
# seconds after the first event: at once, the same minute, the same day, years
GAPS = [0, 0, 1, 59, 86_400, 200_000_000]


def normed(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-6)


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def bucket(seconds: int) -> int:
    """0 for less than a second, 1 for one, 2 for two and three, 3 for four to seven, …"""
    return min(seconds.bit_length(), BUCKETS - 1)


def layer(x: list[np.ndarray], times: list[int], w: Weights, name: str) -> list[np.ndarray]:
    size = WIDTH // HEADS
    u, v, q, k = (
        [silu(w[f"{name}.into.weight"] @ normed(e)).reshape(4, WIDTH)[i] for e in x] for i in range(4)
    )
    out = []
    for i in range(len(x)):
        attended = np.zeros(WIDTH)
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            for j in range(i + 1):
                bias = w[f"{name}.distances"][i - j] + w[f"{name}.seconds"][bucket(times[i] - times[j])]
                attended[part] += silu(q[i][part] @ k[j][part] + bias) / LENGTH * v[j][part]
        out.append(x[i] + w[f"{name}.out.weight"] @ (normed(attended) * u[i]) + w[f"{name}.out.bias"])
    return out


def hstu(history: list[int], times: list[int], table: np.ndarray, w: Weights, layers: int) -> np.ndarray:
    start = LENGTH - len(history)
    x = [np.sqrt(WIDTH) * table[item] + w["positions"][start + i] for i, item in enumerate(history)]
    for number in range(layers):
        x = layer(x, times, w, f"layers.{number}")
    return np.array(x)


def events(target_mask: bool) -> tuple[Events, list[list[int]]]:
    times = [[1_500_000_000 + g for g in GAPS[: len(h)]] for h in HISTORIES]
    rows = torch.tensor([[0] * (LENGTH - len(h)) + h for h in HISTORIES])
    when = torch.tensor([[0] * (LENGTH - len(t)) + t for t in times])
    users = torch.zeros(len(rows), dtype=torch.int64)
    return Events(users, rows, when, rows != 0 if target_mask else None), times


@pytest.mark.parametrize("layers", [1, 2])
def test_hstu_by_hand(layers: int) -> None:
    model = (
        HSTU(DatasetSpec(3, 9, LENGTH), WIDTH, layers=layers, heads=HEADS, time_buckets=BUCKETS)
        .double()
        .eval()
    )
    _, weights, table = randomised(model, WIDTH)
    target_mask, times = events(target_mask=True)
    expected = [hstu(h, t, table.numpy(), weights, layers) for h, t in zip(HISTORIES, times, strict=True)]
    with torch.no_grad():
        every, after_all = model(table, target_mask), model(table, events(target_mask=False)[0])
        short = Events(
            target_mask.users[:4],
            target_mask.history[:4, 2:],
            target_mask.times[:4, 2:],
            target_mask.history[:4, 2:] != 0,
        )
        torch.testing.assert_close(model(table, short), every[: -len(HISTORIES[-1])], rtol=1e-12, atol=0)
    np.testing.assert_allclose(every.numpy(), np.concatenate([e for e in expected if len(e)]), rtol=1e-8)
    assert not after_all[1].any(), "nobody's history is nothing"
    np.testing.assert_allclose(
        after_all[[0, 2, 3, 4]].numpy(), [e[-1] for e in expected if len(e)], rtol=1e-8
    )


def test_time_differences_are_bucketed_by_powers_of_two() -> None:
    gaps = [0, 1, 2, 3, 4, 7, 8, 2**18 - 1, 2**18, 2**31 - 1]
    times = torch.tensor([[0, *gaps]])
    assert powers_of_two(times, BUCKETS)[0, 1:, 0].tolist() == [bucket(gap) for gap in gaps]
    assert bucket(2**18 - 1) == BUCKETS - 2 and bucket(2**31 - 1) == BUCKETS - 1
    assert not powers_of_two(times, BUCKETS)[0].triu(1).any(), "an event knows of nothing later"


def test_only_differences_of_time_matter() -> None:
    model = HSTU(DatasetSpec(3, 9, LENGTH), WIDTH, heads=HEADS).double().eval()
    table = torch.randn(10, WIDTH, dtype=torch.float64)
    now, _ = events(target_mask=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(20)
        moved = model(table, Events(now.users, now.history, now.times + 12_345, now.target_mask))
        torch.testing.assert_close(model(table, now), moved)
        slower = model(table, Events(now.users, now.history, now.times * 3, now.target_mask))
        assert (model(table, now) - slower).abs().max() > 1e-3, "times are not looked at"


def test_weights_start_as_published() -> None:
    model = HSTU(DatasetSpec(3, 9, 200), 64, time_buckets=200)
    for name, parameter in model.named_parameters():
        found = parameter.detach()
        if name.endswith("out.bias"):
            assert not found.any()
        elif name.endswith("out.weight"):
            assert float(found.abs().max()) == pytest.approx((6 / 128) ** 0.5, rel=0.01)
        else:  # as published, but for the positions
            assert float(found.std()) == pytest.approx(0.02, rel=0.2), name
