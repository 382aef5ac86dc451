"""IDNet: a learned vector per item number."""

from __future__ import annotations

from typing import final

from torch import Tensor

from pixelrec.batch import DatasetSpec, Items
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import AbstractItemEncoder


@final
class IdTable(AbstractItemEncoder):
    """One learned vector per item.

    Args:
        width: D, the width of a vector.
        init: initial vectors: normal (N(0, 0.02)), xavier_normal, kaiming_normal (N(0, √(2/D))), uniform
            (within ±1/√D), or uniform_by_rows (within ±1/√(rows + 1)).
    """

    has_content = False

    def __init__(self, spec: DatasetSpec, *, width: Width = 128, init: Init = "normal") -> None:
        super().__init__()
        self.width = width
        self.rows = EmbeddingTable(spec.items, width, init=init)

    def forward(self, items: Items) -> Tensor:
        return self.rows(items.ids)
