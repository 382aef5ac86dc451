"""SASRec: causal self-attention over the history (Kang and McAuley, arXiv 1808.09781)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.attention import demand_whole_heads
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.transformer import EPSILON, Transformer, causal
from pixelrec.hyperparameters import DropoutRate, Expansion, Heads, Layers
from pixelrec.users.user_model import AbstractUserModel


@final
class SASRec(AbstractUserModel):
    """Item + position → layer norm → dropout → post-norm causal transformer; a vector after every event.

    Args:
        layers: transformer layers.
        heads: attention heads; a divisor of D.
        expansion: width of the feed-forward layer as a multiple of D.
        dropout: dropout on the input and on the output of each sub-layer.
        attention_dropout: dropout on attention weights.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,
        *,
        layers: Layers = 2,
        heads: Heads = 4,
        expansion: Expansion = 2.0,
        dropout: DropoutRate = 0.1,
        attention_dropout: DropoutRate = 0.1,
    ) -> None:
        super().__init__()
        demand_whole_heads(width, heads)
        self.positions = nn.Parameter(torch.empty(spec.length, width))
        nn.init.normal_(self.positions, std=0.02)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.dropout = Dropout(dropout)
        self.transformer = Transformer(
            width,
            layers=layers,
            heads=heads,
            inner=max(1, int(expansion * width)),
            attention_dropout=attention_dropout,
            hidden_dropout=dropout,
        )

    def forward(self, table: Tensor, events: Events) -> Tensor:
        real = events.history != 0  # B, L
        packing = Packing.of(real)
        # Positions count from the latest event: padding on the left changes nothing.
        place = packing.columns + len(self.positions) - real.shape[1]
        x = F.embedding(packing.pack(events.history), table) + F.embedding(place, self.positions)  # P, D
        x = self.dropout(self.norm(x))
        vectors: Tensor = self.transformer(x, causal(real), packing, events.target_mask)
        return vectors
