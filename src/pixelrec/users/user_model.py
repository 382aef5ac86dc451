"""What every user model is: histories in, a vector for every asked place out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from pixelrec.batch import Events


class AbstractUserModel(nn.Module, ABC):
    """Turns histories into vectors, to compare with rows of the table. It cannot know what items look like.

    A user model is built as `UserModel(facts, width, *, choices)`, where `width` is D of the item encoder.
    """

    view: ClassVar[str]  # how it reads training rows, and what a vector may know; see data/views.py
    needs_catalogue: ClassVar[bool] = False  # every table holds all items, also in training
    needs_known_user: ClassVar[bool] = False  # it cannot answer for a history alone
    looks_at_candidates: ClassVar[bool] = False  # its `score` is more than a dot product

    def refine(self, table: Tensor) -> Tensor:
        """The table (U, D) as this model compares it, row r still item r; called once per table.

        A model may append rows of its own, which its `forward` finds behind the items.
        """
        return table

    @abstractmethod
    def forward(self, table: Tensor, events: Events) -> Tensor:
        """A vector (M, D) for every true place of `events.asked`, row by row, from a refined table.

        Where nothing is asked, a vector per user (B, D) that knows the whole history, which has at most L
        events then. A vector is zero where there is no event to know, unless the model says something of
        anybody. A model that looks at candidates returns what its `score` needs: M, ….
        """

    def score(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        """Scores of M vectors with candidates (n, D) they share → M, n, or (M, K, D) of their own → M, K."""
        if candidates.dim() == 2:
            return vectors @ candidates.T
        return (candidates @ vectors.unsqueeze(-1)).squeeze(-1)
