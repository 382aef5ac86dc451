"""What every user model is: histories in, a vector after every event out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from pixelrec.batch import Events


class AbstractUserModel(nn.Module, ABC):
    """Turns histories into vectors, to compare with rows of the table. It cannot know what items look like.

    A user model is built as `UserModel(facts, width, *, choices)`, where `width` is D of the item encoder.
    """

    view: ClassVar[str]  # how it reads training rows; see data/views.py
    needs_catalogue: ClassVar[bool] = False  # every table holds all items, also in training
    needs_known_user: ClassVar[bool] = False  # it cannot answer for a history alone

    def refine(self, table: Tensor) -> Tensor:
        """The table (U, D) as this model compares it; row r stays item r. Called once per table."""
        return table

    @abstractmethod
    def forward(self, table: Tensor, events: Events) -> Tensor:
        """Vectors (B, T, D) from a refined table and histories. Position T − 1 knows the whole history."""

    def score(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        """Scores of M vectors with candidates (n, D) they share → M, n, or (M, K, D) of their own → M, K."""
        if candidates.dim() == 2:
            return vectors @ candidates.T
        return (candidates @ vectors.unsqueeze(-1)).squeeze(-1)
