"""IDNet: a learned vector per item number."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

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

    @torch.no_grad()
    def correct(self, rows: Tensor, vectors: Tensor, weights: Tensor) -> None:
        known = F.normalize(rows, dim=1) * vectors.norm(dim=1, keepdim=True)  # by the direction of rows alone
        self.rows.weight.copy_((known - vectors) * (weights * rows.any(1))[:, None])

    def forward(self, items: Items) -> Tensor:
        return self.rows(items.ids)
