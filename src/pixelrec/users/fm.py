"""Factorisation machine over a history and a candidate (Rendle, ICDM 2010)."""

from __future__ import annotations

from typing import final

from torch import Tensor

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.pooling import pool_others
from pixelrec.users.user_model import AbstractUserModel


@final
class FM(AbstractUserModel):
    """The sum of the history's item vectors.

    A second-order factorisation machine over the events and the candidate sums the dot products of all pairs.
    Pairs of two events are the same for every candidate, so they affect neither loss nor ranking; what
    remains is (Σ events) · candidate.
    """

    view = "rest_of_window"

    def __init__(self, spec: DatasetSpec, width: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, table: Tensor, events: Events) -> Tensor:
        return pool_others(table, events.history, events.target_mask, mean=False)
