"""LightGCN: users and items hear each other along what was taken (He et al., arXiv 2002.02126)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.errors import RunError
from pixelrec.hyperparameters import Layers
from pixelrec.users.propagation import Bipartite
from pixelrec.users.user_model import AbstractUserModel


@final
class LightGCN(AbstractUserModel):
    """A learned vector per user, and the table; both propagated over the training events.

    The graph is symmetrically normalised; a vector is the mean of layers 0 … `layers`. As in the published
    benchmark every training event is an edge, so a pair counts as often as it occurs. All users and items
    move at every step, and a step costs the propagation, whatever the batch: large batches pay.

    Args:
        facts: what the data dictates; without its `history` the model can be built and loaded, not used.
        width: D.
        layers: of propagation.
        init: how user vectors start, as rows of a table may.
    """

    view = "pairs"
    needs_catalogue = True
    needs_known_user = True
    everyone: Tensor

    def __init__(
        self, spec: DatasetSpec, width: int, *, layers: Layers = 2, init: Init = "xavier_normal"
    ) -> None:
        super().__init__()
        self.layers, self.items = layers, spec.items
        self.rows = EmbeddingTable(spec.users, width, init=init)
        self.graph = None if spec.history is None else Bipartite(spec.history, spec.items)
        self.register_buffer("everyone", torch.arange(spec.users + 1), persistent=False)

    def refine(self, table: Tensor) -> Tensor:
        """All items (N + 1, D) and behind them all users (users + 1, D), propagated.

        Raises:
            RunError: the training events are not known.
        """
        if self.graph is None:
            raise RunError(
                "lightgcn propagates over training events and got none; give the data set it was trained on"
            )
        propagated: Tensor = self.graph(self.rows(self.everyone), table, self.layers)
        return propagated

    def forward(self, table: Tensor, events: Events) -> Tensor:
        return F.embedding(events.users + self.items + 1, table)
