"""DSSM: a tower for the user and one for the item, compared by a dot product (Huang et al., CIKM 2013)."""

from __future__ import annotations

from typing import final

from torch import Tensor

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.pooling import pool_others
from pixelrec.blocks.tower import tower
from pixelrec.hyperparameters import DropoutRate
from pixelrec.users.user_model import AbstractUserModel


@final
class DSSM(AbstractUserModel):
    """The mean of the history's item vectors, in its published use without towers.

    With towers, history and candidates are both what the item tower makes of items, and the user tower
    stands over the mean.

    Args:
        facts: what the data dictates.
        width: D.
        towers: widths of layers put over items and over the mean, each dropout → linear → batch norm → tanh;
            none by default.
        dropout: before each layer of a tower.
    """

    view = "rest_of_window"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002 - nothing depends on how many users or items there are
        width: int,
        *,
        towers: tuple[int, ...] = (),
        dropout: DropoutRate = 0.0,
    ) -> None:
        super().__init__()
        self.item_tower = tower(width, towers, dropout)
        # deviation: the published code can put layers (ReLU, no norm) over the user only; it uses none.
        self.user_tower = tower((width, *towers)[-1], towers, dropout)

    def refine(self, table: Tensor) -> Tensor:
        return self.item_tower(table)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        return self.user_tower(pool_others(table, events.history, events.target_mask, mean=True))
