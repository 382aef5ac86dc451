"""The projection of a picture network's features to rows of the table."""

from __future__ import annotations

import math
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.items.adapters import Adapters

Activation = Literal["relu", "none"]
Norm = Literal["none", "layer", "items"]
ProjectionInit = Literal["small", "xavier_normal"]
SMALL = 0.02  # of every number of an item vector, as those of an id table: dot products start near 0


@final
class Standardised(nn.Module):
    """Features standardised per channel by mean and standard deviation over items; fixed once fitted.

    Features of pretrained networks share a large mean: otherwise all item vectors start alike, and training
    may never separate them.
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
        """From features (n, W or n, T, W) of some items, unless already fitted."""
        if self.fitted:
            return
        flat = features.reshape(-1, features.shape[-1]).to(self.mean)
        spread = flat.std(0, correction=0)
        # A constant channel becomes 0 instead of amplified noise.
        self.scale.copy_(torch.where(spread > 1e-6, 1 / spread.clamp(min=1e-6), 0.0))
        self.mean.copy_(flat.mean(0))
        self.fitted.fill_(True)

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) * self.scale


@final
class Projection(nn.Module):
    """Linear → activation; with several tokens per picture, for each token, followed by their mean.

    The norm comes before the linear layer: none; layer norm; or items: see `Standardised`. Biases start at 0,
    weights at N(0, 0.02 / √W), so that normalised features give vectors of the size of an id table's, or
    Xavier normal. The published benchmark (arXiv 2309.06789) has no norm, Xavier normal and a ReLU. Adapters
    correct the result from the normalised features.
    """

    def __init__(
        self,
        inner: int,
        width: int,
        activation: Activation = "none",
        norm: Norm = "items",
        init: ProjectionInit = "small",
        adapters: Adapters | None = None,
    ) -> None:
        super().__init__()
        self.norm: nn.Module = {"layer": nn.LayerNorm, "items": Standardised}.get(norm, nn.Identity)(inner)
        self.linear = nn.Linear(inner, width)
        self.activation, self.adapters = activation, adapters
        if init == "xavier_normal":
            nn.init.xavier_normal_(self.linear.weight)
        else:
            nn.init.normal_(self.linear.weight, std=SMALL / math.sqrt(inner))
        nn.init.zeros_(self.linear.bias)

    @property
    def unfitted(self) -> Standardised | None:
        """The standardisation, if it must still be fitted to features of some items."""
        return self.norm if isinstance(self.norm, Standardised) and not self.norm.fitted else None

    def forward(self, features: Tensor) -> Tensor:
        """B, W or B, T, W → B, D."""
        normalised = self.norm(features)
        x = self.linear(normalised)
        if self.activation == "relu":
            x = F.relu(x)
        x = x.mean(1) if x.dim() == 3 else x
        if self.adapters is not None:
            x = self.adapters(normalised, x)
        return x
