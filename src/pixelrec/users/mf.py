"""Matrix factorisation: a learned vector per user (Koren, Bell and Volinsky 2009)."""

from __future__ import annotations

from typing import final

from torch import Tensor

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.blocks.tower import tower
from pixelrec.hyperparameters import DropoutRate
from pixelrec.users.user_model import AbstractUserModel


@final
class MF(AbstractUserModel):
    """One learned vector per user, independent of the history.

    Args:
        towers: widths of the layers over user and item vectors, each dropout → linear → batch norm → tanh;
            none by default.
        dropout: dropout before each layer of a tower.
        init: initial user vectors: normal (N(0, 0.02)), xavier_normal, kaiming_normal (N(0, √(2/D))), uniform
            (within ±1/√D), or uniform_by_rows (within ±1/√(rows + 1)).
    """

    view = "pairs"
    needs_known_user = True

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,
        *,
        towers: tuple[int, ...] = (),
        dropout: DropoutRate = 0.0,
        init: Init = "xavier_normal",
    ) -> None:
        super().__init__()
        self.rows = EmbeddingTable(spec.users, width, init=init)
        self.user_tower = tower(width, towers, dropout)
        self.item_tower = tower(width, towers, dropout)

    def refine(self, table: Tensor) -> Tensor:
        return self.item_tower(table)

    def forward(self, table: Tensor, events: Events) -> Tensor:  # noqa: ARG002
        return self.user_tower(self.rows(events.users))
