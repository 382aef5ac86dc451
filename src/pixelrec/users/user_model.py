"""The interface of user models: histories in, a vector for every target out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from pixelrec.batch import Events


class AbstractUserModel(nn.Module, ABC):
    """Turns histories into vectors that are compared with rows of the table, without looking at items.

    The constructor is `UserModel(spec, width, *, hyperparameters)`, where `width` is D of the item encoder.
    """

    view: ClassVar[str]  # the form of training rows, and what a vector may depend on; see data/views.py
    needs_catalogue: ClassVar[bool] = False  # every table holds all items, in training too
    needs_known_user: ClassVar[bool] = False  # a history alone is not enough
    needs_regions: ClassVar[bool] = False  # of the items of histories: `events.regions`
    looks_at_candidates: ClassVar[bool] = False  # `score` is more than a dot product

    def refine(self, table: Tensor) -> Tensor:
        """The table (U, D) used for comparison, row r still item r; called once per table.

        A model may append rows of its own after the items, for its `forward`.
        """
        return table

    @abstractmethod
    def forward(self, table: Tensor, events: Events) -> Tensor:
        """Vectors (M, D) for the true places of `events.target_mask`, row by row, from a refined table.

        Without a target mask, a vector per user (B, D) for the whole history of at most L events. A vector
        without events is zero, unless the model has a prediction for unknown users. A model that looks at
        candidates returns the input of its `score`: M, ….
        """

    def score(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        """Scores of M vectors with shared candidates (n, D) → M, n, or with their own (M, K, D) → M, K."""
        if candidates.dim() == 2:
            return vectors @ candidates.T
        return (candidates @ vectors.unsqueeze(-1)).squeeze(-1)


def target_places(events: Events) -> Tensor:
    """B, L: the target mask; without one, the last place of each history."""
    if events.target_mask is not None:
        return events.target_mask
    B, L = events.history.shape
    return (torch.arange(L, device=events.history.device) == L - 1).expand(B, L)
