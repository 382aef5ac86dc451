"""NextItNet against a reading of arXiv 2309.06789 in plain float64 NumPy, and against padded convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from users.golden import Weights, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.embedding_table import EmbeddingTable
from pixelrec.blocks.packing import Packing
from pixelrec.errors import RecipeError
from pixelrec.users.nextitnet import CausalConvolution, NextItNet, followers

WIDTH, LENGTH = 6, 12
HISTORIES = [[3], [], [1, 2], [4, 4, 4, 2, 4], [9, 8, 7, 6, 5, 4, 3, 2, 1, 9, 9, 1]]


def convolved(x: list[np.ndarray], w: Weights, name: str, dilation: int) -> list[np.ndarray]:
    """Causal convolution → layer norm → ReLU, event by event; nothing stands before the first."""
    out = []
    for i in range(len(x)):
        y = w[f"{name}.bias"].copy()
        for k, weight in enumerate(w[f"{name}.weight"]):
            if i - k * dilation >= 0:
                y = y + x[i - k * dilation] @ weight
        y = (y - y.mean()) / np.sqrt(y.var() + 1e-8)
        out.append(np.maximum(y * w[f"{name}_norm.weight"] + w[f"{name}_norm.bias"], 0))
    return out


def nextitnet(history: list[int], table: np.ndarray, w: Weights, dilations: list[int]) -> np.ndarray:
    x = [table[item] for item in history]
    for number, dilation in enumerate(dilations):
        y = convolved(x, w, f"blocks.{number}.near", dilation)
        y = convolved(y, w, f"blocks.{number}.far", 2 * dilation)
        x = [a + b for a, b in zip(x, y, strict=True)]
    return np.array(x)


@pytest.mark.parametrize(("blocks", "kernel", "dilations"), [(1, 3, (1, 4)), (2, 3, (1, 4)), (2, 2, (3,))])
def test_nextitnet_by_hand(blocks: int, kernel: int, dilations: tuple[int, ...]) -> None:
    model = NextItNet(DatasetSpec(3, 9, LENGTH), WIDTH, blocks=blocks, kernel=kernel, dilations=dilations)
    model = model.double().eval()
    _, weights, table = randomised(model, WIDTH)
    expected = [nextitnet(h, table.numpy(), weights, [*dilations] * blocks) for h in HISTORIES]
    rows = torch.tensor([[0] * (LENGTH - len(h)) + h for h in HISTORIES])
    users = torch.zeros(len(rows), dtype=torch.int64)
    with torch.no_grad():
        every = model(table, Events(users, rows, torch.zeros_like(rows), rows != 0))
        np.testing.assert_allclose(every.numpy(), np.concatenate([e for e in expected if len(e)]), rtol=1e-8)
        one = rows != 0
        one[:, :-1] = False
        last = model(table, Events(users, rows, torch.zeros_like(rows), one))
        np.testing.assert_allclose(last.numpy(), [e[-1] for e in expected if len(e)], rtol=1e-8)
        after_all = model(table, Events(users, rows, torch.zeros_like(rows)))
    assert not after_all[1].any(), "nobody's history is nothing"
    np.testing.assert_allclose(after_all[[0, 2, 3, 4]].numpy(), last.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 2), (2, 5), (4, 40)])
def test_packed_convolutions_are_padded_ones(kernel: int, dilation: int) -> None:
    """As PyTorch computes them over rows padded with zeros; the gradients too."""
    real = torch.arange(LENGTH) >= torch.tensor([[11], [0], [5], [12]])
    packing = Packing.of(real)
    block = CausalConvolution(WIDTH, kernel, dilation).double()
    x = torch.randn(len(packing.places), WIDTH, dtype=torch.float64, requires_grad=True)
    found = block(x, followers(packing, block.distances))
    rows = F.pad(packing.unpack(x).transpose(1, 2), ((kernel - 1) * dilation, 0))
    # PyTorch's kernels are written forwards: the last weight belongs to the event itself.
    plain = F.conv1d(rows, block.weight.permute(2, 1, 0).flip(2), block.bias, dilation=dilation)
    expected = packing.pack(plain.transpose(1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    wanted = (x, block.weight, block.bias)
    weights = torch.randn_like(found)
    for mine, theirs in zip(
        torch.autograd.grad((found * weights).sum(), wanted),
        torch.autograd.grad((expected * weights).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_convolutions_start_as_those_of_pytorch() -> None:
    model = NextItNet(DatasetSpec(3, 9, 50), 64)
    plain = torch.nn.Conv1d(64, 64, 3)
    assert len(model.blocks) == 6
    for name, parameter in model.named_parameters():
        found = parameter.detach()
        if "_norm" in name:
            assert (found == (1 if name.endswith("weight") else 0)).all(), name
            continue
        like = (plain.weight if name.endswith("weight") else plain.bias).detach()
        assert float(found.abs().max()) == pytest.approx(192**-0.5, rel=0.1), name
        assert float(found.std()) == pytest.approx(float(like.std()), rel=0.3), name


def test_the_published_table_starts_uniform_by_its_rows() -> None:
    found = EmbeddingTable(99, 64, init="uniform_by_rows").weight.detach()
    assert not found[0].any()
    assert float(found.abs().max()) == pytest.approx(0.1, rel=0.01)
    assert float(found[1:].std()) == pytest.approx(0.1 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("dilations", [(), (1, 0)])
def test_dilations_are_distances(dilations: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match="distances from 1"):
        NextItNet(DatasetSpec(3, 9, LENGTH), WIDTH, dilations=dilations)
