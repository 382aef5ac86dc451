"""From the features of a picture network to a row of the table."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["relu", "none"]
Norm = Literal["none", "layer", "items"]


@final
class Standardised(nn.Module):
    """Features less their mean and over their spread among the items, channel by channel; fixed once fitted.

    Features of pretrained networks share a large mean: without this, all items look alike at the start, and a
    recommender may never leave that.
    """

    mean: Tensor
    scale: Tensor
    fitted: Tensor

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inner))
        self.register_buffer("scale", torch.ones(inner))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, features: Tensor) -> None:
        """From features (n, W or n, T, W) of some items, unless it was fitted before."""
        if self.fitted:
            return
        flat = features.reshape(-1, features.shape[-1]).to(self.mean)
        spread = flat.std(0, correction=0)
        # A channel that says the same of every item stays silent instead of being blown up.
        self.scale.copy_(torch.where(spread > 1e-6, 1 / spread.clamp(min=1e-6), 0.0))
        self.mean.copy_(flat.mean(0))
        self.fitted.fill_(True)

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) * self.scale


@final
class Projection(nn.Module):
    """Linear, then ReLU; where a picture has many tokens, of each of them, and then their mean.

    The published benchmark's, weights Xavier normal, biases 0 (arXiv 2309.06789).

    Args:
        inner: W, width of the features.
        width: D.
        activation: what follows the linear layer.
        norm: what comes first: nothing, as published; a layer norm; or the standardisation of `Standardised`.
    """

    def __init__(self, inner: int, width: int, activation: Activation = "relu", norm: Norm = "none") -> None:
        super().__init__()
        self.norm: nn.Module = {"layer": nn.LayerNorm, "items": Standardised}.get(norm, _nothing)(inner)
        self.linear = nn.Linear(inner, width)
        self.activation = activation
        nn.init.xavier_normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    @property
    def unfitted(self) -> Standardised | None:
        """What wants to see features of some items before training."""
        return self.norm if isinstance(self.norm, Standardised) and not self.norm.fitted else None

    def forward(self, features: Tensor) -> Tensor:
        """B, W or B, T, W → B, D."""
        x = self.linear(self.norm(features))
        if self.activation == "relu":
            x = F.relu(x)
        return x.mean(1) if x.dim() == 3 else x


def _nothing(_inner: int) -> nn.Module:
    return nn.Identity()
