"""Matrix factorisation: a user is a learned vector too (Koren, Bell and Volinsky 2009)."""

from __future__ import annotations

from itertools import pairwise
from typing import final

from torch import Tensor, nn

from pixelrec.batch import Events, Facts
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.row_table import Init, RowTable
from pixelrec.users.user_model import AbstractUserModel


@final
class MF(AbstractUserModel):
    """One learned vector per user; the history is not looked at.

    Args:
        facts: what the data dictates.
        width: D.
        towers: widths of layers put over the user's and over the item's vector, each dropout → linear →
            batch norm → tanh; none by default.
        dropout: before each layer of a tower.
        init: how user vectors start: N(0, 0.02), or Xavier's normal.
    """

    view = "pairs"
    needs_known_user = True

    def __init__(
        self,
        facts: Facts,
        width: int,
        *,
        towers: tuple[int, ...] = (),
        dropout: float = 0.0,
        init: Init = "xavier_normal",
    ) -> None:
        super().__init__()
        self.rows = RowTable(facts.users, width, init=init)
        self.user_tower = _tower(width, towers, dropout)
        self.item_tower = _tower(width, towers, dropout)

    def refine(self, table: Tensor) -> Tensor:
        return self.item_tower(table)

    def forward(self, table: Tensor, events: Events) -> Tensor:  # noqa: ARG002
        return self.user_tower(self.rows(events.users))


def _tower(width: int, widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise((width, *widths)):
        linear = nn.Linear(before, after)
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [Dropout(dropout), linear, nn.BatchNorm1d(after), nn.Tanh()]
    return nn.Sequential(*layers)
