"""BERT4Rec: masked events predicted from both sides (Sun et al., arXiv 1904.06690)."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.attention import demand_whole_heads
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.transformer import EPSILON, Transformer
from pixelrec.hyperparameters import DropoutRate, Expansion, Heads, Layers
from pixelrec.users.user_model import AbstractUserModel


@final
class BERT4Rec(AbstractUserModel):
    """Item or mask token + position → layer norm → dropout → bidirectional post-norm transformer.

    A vector is the output at a mask token. To predict the next event, a mask token is appended to the
    history; after an empty history its vector predicts for unknown users.

    Args:
        layers: transformer layers.
        heads: attention heads; a divisor of D.
        expansion: width of the feed-forward layer as a multiple of D.
        dropout: dropout on the input and on the output of each sub-layer.
        attention_dropout: dropout on attention weights.
        init_std: standard deviation of the initial linear weights. 0.02 suits wide models; use 1 / √D in
            narrow ones, since a mask token depends on items only through attention.
    """

    view = "cloze"

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,
        *,
        layers: Layers = 2,
        heads: Heads = 4,
        expansion: Expansion = 1.0,
        dropout: DropoutRate = 0.1,
        attention_dropout: DropoutRate = 0.1,
        init_std: Annotated[float, Interval(ge=1e-6, le=100)] = 0.02,
    ) -> None:
        super().__init__()
        demand_whole_heads(width, heads)
        # deviation: the token belongs to the user model, so that any item encoder works.
        self.mask_token = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(spec.length + 1, width))
        nn.init.normal_(self.mask_token, std=0.02)
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
            init_std=init_std,
        )

    def forward(self, table: Tensor, events: Events) -> Tensor:
        # Mask tokens stand at the targets, or after the latest event.
        history, hidden = events.history, events.target_mask
        if hidden is None:
            history = F.pad(history, (0, 1))
            hidden = torch.zeros_like(history, dtype=torch.bool)
            hidden[:, -1] = True
        real = (history != 0) | hidden  # B, L + 1
        packing = Packing.of(real)
        items = F.embedding(packing.pack(history), table)  # P, D
        items = torch.where(packing.pack(hidden).unsqueeze(1), self.mask_token.to(items.dtype), items)
        # Positions count from the latest event: padding on the left changes nothing.
        place = packing.columns + len(self.positions) - real.shape[1]
        x = self.dropout(self.norm(items + F.embedding(place, self.positions)))
        vectors: Tensor = self.transformer(x, real.unsqueeze(1), packing, events.target_mask)
        return vectors
