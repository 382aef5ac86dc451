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

    unit_items = False  # whether the length of an item vector has no influence at all

    def inputs(self, encoded: Tensor) -> Tensor:
        """Item vectors as the user model reads them."""
        return F.normalize(encoded, dim=-1) if self.unit_items else encoded

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
        unit_items: whether the user model reads item vectors of length 1 too; needed to fit items to rows.
    """

    def __init__(
        self,
        *,
        temperature: Annotated[float, Interval(ge=1e-4, le=1e4)] = 0.07,
        learn: bool = True,
        unit_items: bool = False,
    ) -> None:
        super().__init__()
        self.unit_items = unit_items
        # The logarithm keeps the scale, the inverse temperature, positive, as in CLIP.
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learn)

    def users(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) * self.log_scale.exp()

    def items(self, table: Tensor) -> Tensor:
        return F.normalize(table, dim=-1)


SCORINGS: Mapping[str, type[AbstractScoring]] = {"dot": Dot, "cosine": Cosine}
