"""CuratorNet against a reading of arXiv 2009.04426 in NumPy, prefix by prefix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.curatornet import CuratorNet

WIDTH, LENGTH = 6, 5
HISTORIES = [[3], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5]]


def selu(x: np.ndarray) -> np.ndarray:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(np.minimum(x, 0)) - 1))


def layers(x: np.ndarray, weights: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    for number in range(count):
        x = selu(weights[f"{name}.{2 * number}.weight"] @ x + weights[f"{name}.{2 * number}.bias"])
    return x


def random_model(expansion: float = 1.5) -> tuple[CuratorNet, dict[str, np.ndarray], torch.Tensor]:
    torch.manual_seed(1)
    model = (
        CuratorNet(DatasetSpec(users=3, items=9, length=LENGTH), WIDTH, expansion=expansion).double().eval()
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    table = torch.randn(10, WIDTH, dtype=torch.float64)
    table[0] = 0
    return model, {name: p.detach().numpy() for name, p in model.named_parameters()}, table


def events_of(target_mask: torch.Tensor | None, width: int = LENGTH) -> Events:
    rows = torch.tensor([[0] * (width - len(h)) + h for h in HISTORIES])
    return Events(torch.zeros(4, dtype=torch.int64), rows, torch.zeros_like(rows), target_mask)


@pytest.mark.parametrize("which", ["all", "one", "none"])
def test_every_prefix_by_hand(which: str) -> None:
    model, weights, table = random_model()
    items = np.stack([layers(row, weights, "item", 2) for row in table.numpy()])
    np.testing.assert_allclose(model.refine(table).detach().numpy(), items, atol=1e-12)
    real = events_of(None).history != 0
    last = (torch.arange(LENGTH) == LENGTH - 1).expand_as(real)
    target_mask = {"all": real, "one": last, "none": None}[which]
    found = model(model.refine(table), events_of(target_mask)).detach().numpy()
    expected = []
    for history in HISTORIES:
        for length in range(1, len(history) + 1) if which == "all" else [len(history)]:
            seen = items[history[:length]]
            profile = np.concatenate([seen.max(axis=0), seen.sum(axis=0) / length])
            expected.append(layers(profile, weights, "profile", 3))
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-9, atol=1e-12)


def test_no_history_is_zero_and_has_a_gradient_that_is_a_number() -> None:
    model, _, table = random_model()
    events = events_of(None)
    events.history[1] = 0
    found = model(model.refine(table), events)
    assert not found[1].any() and found[0].any()
    found.sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters()
    )


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    for name, parameter in CuratorNet(DatasetSpec(3, 9, 5), 100, expansion=2.0).named_parameters():
        if name.endswith("weight"):
            bound = (6 / sum(parameter.shape)) ** 0.5
            assert 0.98 * bound < float(parameter.detach().abs().max()) <= bound, name
    assert parameter.shape == (100,)
