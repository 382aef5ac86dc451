"""GRU4Rec: a recurrent network reads the history (Hidasi et al., arXiv 1511.06939; Tan et al. 2016)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.hyperparameters import DropoutRate, Expansion, Layers
from pixelrec.users.user_model import AbstractUserModel


@final
class GRU4Rec(AbstractUserModel):
    """Item → dropout → gated recurrent units without bias → linear to D; a vector after every event.

    Weights of the units start as Xavier's uniform, of the linear layer as PyTorch has it (arXiv 2309.06789).

    Args:
        facts: what the data dictates.
        width: D.
        layers: of recurrent units, one over the other.
        hidden: the state is this many times D wide.
        dropout: on the items that are read.
        norm: layer norm on the items that are read and on the vectors that come out, which attention models
            have by their structure; the published model has none.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        layers: Layers = 1,
        hidden: Expansion = 1.0,
        dropout: DropoutRate = 0.0,
        norm: bool = False,
    ) -> None:
        super().__init__()
        state = max(1, int(hidden * width))
        self.dropout = Dropout(dropout)
        self.norm_in = nn.LayerNorm(width) if norm else nn.Identity()
        self.norm_out = nn.LayerNorm(width) if norm else nn.Identity()
        self.units = nn.GRU(width, state, layers, bias=False)
        for weight in self.units.parameters():
            nn.init.xavier_uniform_(weight)
        self.dense = nn.Linear(state, width)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        # Without bias a state of zero stays zero over padding: leaving padding out changes nothing.
        packing = Packing.of(events.history != 0)
        x = self.dropout(self.norm_in(F.embedding(packing.pack(events.history), table)))  # P, D
        return packing.pick(self.norm_out(self.dense(self._read(x, packing))), events.target_mask)

    def _read(self, x: Tensor, packing: Packing) -> Tensor:
        """The states (P, state) after every event."""
        if not len(x):  # nobody has a history; the units refuse to read nothing
            return x.new_zeros(0, self.units.hidden_size)
        order, sizes = by_step(packing)
        # Under autocast cuDNN's units would compute in fp16, which overflows where bf16 does not.
        kind = x.device.type
        with torch.autocast(kind, enabled=kind == "cpu" and torch.is_autocast_enabled(kind)):
            states, _ = self.units(PackedSequence(x.index_select(0, order), sizes))
        return torch.empty_like(states.data).index_copy(0, order, states.data)


def by_step(packing: Packing) -> tuple[Tensor, Tensor]:
    """The P events in the order in which a recurrent network reads them, and how many it reads at each step.

    All first events, then all second ones, …; longer histories come first, as `PackedSequence` wants it.
    """
    B, L = packing.shape
    row, step = packing.places // L, packing.before
    rank = row.bincount(minlength=B).argsort(descending=True, stable=True).argsort()
    return (step * B + rank[row]).argsort(), step.bincount().cpu()
