"""VisRank, and CuratorNet over feature vectors, against readings of their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.curatornet import CuratorNet
from pixelrec.users.visrank import VisRank

ITEMS, WIDTH, LENGTH = 9, 7, 5
SPEC = DatasetSpec(users=4, items=ITEMS, length=LENGTH)
HISTORIES = [[3], [], [4, 4, 2], [9, 8, 9, 6, 5]]


def table() -> torch.Tensor:
    drawn = torch.randn(ITEMS + 1, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn[0] = 0
    return torch.nn.functional.normalize(drawn, dim=1)


def events(mask: torch.Tensor | None = None) -> Events:
    rows = torch.tensor([[0] * (LENGTH - len(h)) + h for h in HISTORIES])
    return Events(torch.arange(4), rows, torch.zeros_like(rows), mask)


def plain(history: list[int], nearest: int | None) -> np.ndarray:
    vectors = table().numpy()
    if not history:
        return np.zeros(ITEMS + 1)
    cosines = np.sort([vectors @ vectors[item] for item in set(history)], axis=0)[::-1]
    return cosines[:nearest].mean(0)


@pytest.mark.parametrize("nearest", [1, 2, 4, None])
def test_visrank(nearest: int | None) -> None:
    model = VisRank(SPEC, WIDTH, nearest=nearest)
    found = model.score(model(table(), events()), table())
    np.testing.assert_allclose(found, [plain(each, nearest) for each in HISTORIES], atol=1e-12)
    own = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]])
    ours = model.score(model(table(), events()), table()[own])
    np.testing.assert_allclose(ours, found.gather(1, own), atol=1e-12)


@pytest.mark.parametrize("nearest", [1, 2, None])
def test_visrank_after_every_prefix(nearest: int | None) -> None:
    model, shown = VisRank(SPEC, WIDTH, nearest=nearest), events()
    found = model.score(model(table(), events(shown.history != 0)), table())
    prefixes = [each[: n + 1] for each in HISTORIES for n in range(len(each))]
    np.testing.assert_allclose(found, [plain(each, nearest) for each in prefixes], atol=1e-12)


def selu(x: np.ndarray) -> np.ndarray:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(np.minimum(x, 0)) - 1))


def test_curatornet_over_features_that_it_reduces() -> None:
    torch.manual_seed(0)
    model = CuratorNet(SPEC, WIDTH, reduced=3).double()
    weights = {name: each.detach().numpy() for name, each in model.named_parameters()}

    def layers(x: np.ndarray, name: str, count: int) -> np.ndarray:
        for n in range(count):
            x = selu(x @ weights[f"{name}.{2 * n}.weight"].T + weights[f"{name}.{2 * n}.bias"])
        return x

    items = layers(table().numpy(), "item", 2)
    assert items.shape == (ITEMS + 1, 3)
    refined = model.refine(table())
    found = (model(refined, events()) @ refined.T).detach().numpy()
    for history, scores in zip(HISTORIES, found, strict=True):
        seen = items[history]
        pooled = np.concatenate([seen.max(0), seen.mean(0)]) if history else None
        expected = np.zeros(ITEMS + 1) if pooled is None else items @ layers(pooled, "profile", 3)
        np.testing.assert_allclose(scores, expected, atol=1e-12)
