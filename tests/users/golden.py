"""Random weights for a user model, to compare it with a computation by hand; and those it starts from."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

Weights = dict[str, np.ndarray]
M = TypeVar("M", bound=nn.Module)


def randomised(model: M, width: int, items: int = 9) -> tuple[M, Weights, Tensor]:
    """The model with normal weights, these by name, and the vectors of items; row 0 is padding."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    table = torch.randn(items + 1, width, dtype=torch.float64)
    table[0] = 0
    return model, {name: each.detach().numpy() for name, each in model.named_parameters()}, table


def demand_published_start(model: nn.Module, rel: float) -> None:
    """Norms of 1, biases of 0, and all others normal with a deviation of 0.02, within a fraction `rel`."""
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=rel), name
