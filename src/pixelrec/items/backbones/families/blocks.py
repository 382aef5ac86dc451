"""How several families call a block."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class Unmasked(nn.Module):
    """A transformer block in which every token sees every other: B, T, W → B, T, W."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None)
