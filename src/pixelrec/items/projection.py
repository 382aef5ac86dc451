"""The projection of a picture network's features to rows of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.errors import RecipeError
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

    Queries replace that mean: each gives the tokens weights of its own, for its part of the D numbers. They
    start at 0, where the weights are equal (after efficient probing, arXiv 2506.10178).

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
        queries: int = 0,
    ) -> None:
        super().__init__()
        self.norm: nn.Module = {"layer": nn.LayerNorm, "items": Standardised}.get(norm, nn.Identity)(inner)
        self.linear = nn.Linear(inner, width)
        self.activation, self.adapters = activation, adapters
        self.queries = nn.Parameter(torch.zeros(queries, inner)) if queries else None
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
        if self.queries is not None:
            weights = (normalised @ self.queries.mT).softmax(1)  # B, T, Q
            x = (x.unflatten(2, (len(self.queries), -1)) * weights[..., None]).sum(1).flatten(1)
        elif x.dim() == 3:
            x = x.mean(1)
        if self.adapters is not None:
            x = self.adapters(normalised, x)
        return x


def demand_tokens(shape: Sequence[int], queries: int, width: int) -> None:
    """Raises `RecipeError` unless features of this shape have tokens for the queries, which divide D."""
    if queries and len(shape) != 2:
        raise RecipeError(
            f"items.queries is {queries}, and pictures have one vector each; set items.pooling to tokens, "
            "without items.depths"
        )
    if queries and width % queries:
        raise RecipeError(f"items.queries is {queries}, which does not divide items.width, {width}")
