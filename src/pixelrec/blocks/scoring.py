"""Scores of vectors and items: both sides are prepared so that a dot product follows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F


class AbstractScoring(nn.Module, ABC):
    """Prepares user vectors and item vectors, whose dot product is the score."""

    @abstractmethod
    def users(self, vectors: Tensor) -> Tensor: ...

    @abstractmethod
    def items(self, table: Tensor) -> Tensor: ...


@final
class Dot(AbstractScoring):
    """The plain dot product."""

    def users(self, vectors: Tensor) -> Tensor:
        return vectors

    def items(self, table: Tensor) -> Tensor:
        return table


@final
class Cosine(AbstractScoring):
    """Cosine similarity divided by a temperature.

    Args:
        temperature: the initial temperature.
        learn: whether it is trained.
    """

    def __init__(
        self, *, temperature: Annotated[float, Interval(ge=1e-4, le=1e4)] = 0.07, learn: bool = True
    ) -> None:
        super().__init__()
        # The logarithm keeps the scale, the inverse temperature, positive, as in CLIP.
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learn)

    def users(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) * self.log_scale.exp()

    def items(self, table: Tensor) -> Tensor:
        return F.normalize(table, dim=-1)


SCORINGS: Mapping[str, type[AbstractScoring]] = {"dot": Dot, "cosine": Cosine}
