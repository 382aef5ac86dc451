"""VBPR and DVBPR: matrix factorisation over ids and over what is seen (He and McAuley, arXiv 1510.01784)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.errors import RecipeError
from pixelrec.hyperparameters import Width
from pixelrec.users.user_model import AbstractUserModel


@final
class VBPR(AbstractUserModel):
    """A vector per user in the form of the item vectors: [id factors ‖ visual factors ‖ 1].

    With item vectors [γ ‖ E f ‖ β · f] of a joined encoder, the dot product is VBPR's score without the
    biases of users, which rank nothing, and of ids. The two kinds of factors are tables of their own, so that
    an optimiser's groups can give them rates of their own.

    Args:
        visual: width of the visual factors, which follow the id factors; by default half of all.
        bias: the last number of an item vector is a bias, which is the same for all users.
        init: initial vectors, as of MF.
    """

    view = "pairs"
    needs_known_user = True

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,
        *,
        visual: Width | None = None,
        bias: bool = True,
        init: Init = "xavier_normal",
    ) -> None:
        super().__init__()
        seen = (width - bias) // 2 if visual is None else visual
        if not 1 <= seen < width - bias:
            raise RecipeError(
                f"users.visual is {seen}, and item vectors have {width} numbers"
                f"{', one a bias' if bias else ''}; both kinds of factors need some: choose another"
            )
        self.bias = bias
        self.ids = EmbeddingTable(spec.users, width - bias - seen, init=init)
        self.visual = EmbeddingTable(spec.users, seen, init=init)

    def forward(self, table: Tensor, events: Events) -> Tensor:  # noqa: ARG002
        parts = [self.ids(events.users), self.visual(events.users)]
        if self.bias:
            parts.append((events.users != 0).to(parts[0].dtype)[:, None])
        return torch.cat(parts, dim=1)
