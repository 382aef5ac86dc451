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
    """The mean of the history's item vectors; optionally a tower over items and one over the mean.

    Args:
        towers: widths of the layers of both towers, each dropout → linear → batch norm → tanh; none by
            default, as published.
        dropout: dropout before each layer of a tower.
    """

    view = "rest_of_window"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        towers: tuple[int, ...] = (),
        dropout: DropoutRate = 0.0,
    ) -> None:
        super().__init__()
        self.item_tower = tower(width, towers, dropout)
        # deviation: the published code allows layers (ReLU, no norm) over the user only, and uses none.
        self.user_tower = tower((width, *towers)[-1], towers, dropout)

    def refine(self, table: Tensor) -> Tensor:
        return self.item_tower(table)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        return self.user_tower(pool_others(table, events.history, events.target_mask, mean=True))
