"""Item vectors that are known already, in place of the encoder they came from."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from pixelrec.batch import Items
from pixelrec.items.encoder import AbstractItemEncoder


@final
class StoredVectors(AbstractItemEncoder):
    """The encoded catalogue (N + 1, D) of a trained encoder: for recommending, without its network."""

    rows: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.width = rows.shape[1]
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, items: Items) -> Tensor:
        return F.embedding(items.ids, self.rows)
