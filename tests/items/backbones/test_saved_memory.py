"""Memory saved by autograd is counted once per storage, without tensors that exist anyway."""

from __future__ import annotations

import torch
from torch import nn

from pixelrec.items.backbones.recomputation import recomputed, saved_memory


def test_saved_memory_counts_storages_once_without_weights() -> None:
    layer, x = nn.Linear(8, 4, bias=False), torch.randn(10, 8)
    with saved_memory([*layer.parameters(), x]) as kept:
        y = layer(x)  # x and the weight: both apart
        z = y.sigmoid()  # its result, 10 × 4
        (z.view(40) * z.view(40)).sum()  # the same memory
    assert sum(kept.values()) == 4 * 10 * 4


def test_recomputation_saves_no_inner_activations() -> None:
    block, x = nn.Sequential(nn.Linear(8, 64), nn.Sigmoid(), nn.Linear(64, 8)), torch.randn(10, 8)
    with saved_memory([*block.parameters(), x]) as inside:
        block(x)
    with saved_memory([*block.parameters(), x]) as again:
        recomputed(block, x)
    assert sum(inside.values()) == 4 * 10 * 64
    assert not again


def test_gradients_do_not_change() -> None:
    layer, x = nn.Linear(8, 4), torch.randn(10, 8)
    layer(x).sigmoid().sum().backward()
    assert layer.weight.grad is not None
    expected = layer.weight.grad.clone()
    layer.zero_grad()
    with saved_memory([]):
        y = layer(x).sigmoid().sum()
    y.backward()
    assert torch.equal(layer.weight.grad, expected)
