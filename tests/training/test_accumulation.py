"""Gradients summed over several batches are those of their mean, at the end of an epoch too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pixelrec.data.dataset import Dataset
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.train import build_parts
from pixelrec.training.loop import train_batch
from pixelrec.training.optimiser import Optimiser
from pixelrec.training.processes import Processes

PLAIN = {
    "items.width": 8,
    "users.dropout": 0,
    "users.attention_dropout": 0,
    "users.heads": 2,
    "optimiser.rows": "dense",
}


def gradients(dataset: Dataset, accumulate: int, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """What the optimiser gets at each step of an epoch whose weights stay as they are."""
    recipe = read_recipe("sasrec-id", {**PLAIN, "training.accumulate": accumulate, "training.batch_size": 64})
    parts = build_parts(recipe, dataset, Processes.launched(recipe.training.device))
    steps: list[dict[str, Tensor]] = []

    def noted(self: Optimiser, *_: Any) -> None:
        steps.append({name: p.grad.clone() for p, name in self.names.items() if p.grad is not None})
        for parameter in self.names:
            parameter.grad = None

    monkeypatch.setattr(Optimiser, "step", noted)
    for number, batch in enumerate(parts.batcher.epoch(0)):
        train_batch(parts, batch, number)
    return steps


def test_the_last_step_is_a_mean_of_fewer_batches(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = gradients(dataset, 1, monkeypatch)
    together = gradients(dataset, 4, monkeypatch)
    assert len(alone) % 4, "the last step has fewer batches"
    assert len(together) == -(-len(alone) // 4)
    for number, found in enumerate(together):
        group = alone[4 * number : 4 * number + 4]
        for name, gradient in found.items():
            expected = torch.stack([each[name] for each in group]).mean(0)
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)
