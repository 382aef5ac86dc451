"""GRU4Rec: a recurrent network over the history (Hidasi et al., arXiv 1511.06939; Tan et al. 2016)."""

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

    Initial weights are Xavier uniform in the units and PyTorch's default in the linear layer (arXiv
    2309.06789).

    Args:
        layers: recurrent layers.
        hidden: width of the state as a multiple of D.
        dropout: dropout on the input items.
        norm: layer norm on the input items and on the output vectors; the published model has none.
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
        # Without bias a zero state stays zero over padding: leaving padding out changes nothing.
        packing = Packing.of(events.history != 0)
        x = self.dropout(self.norm_in(F.embedding(packing.pack(events.history), table)))  # P, D
        return packing.pick(self.norm_out(self.dense(self._read(x, packing))), events.target_mask)

    def _read(self, x: Tensor, packing: Packing) -> Tensor:
        """The states (P, state) after every event."""
        if torch.compiler.is_exporting():  # other programs have no packed sequences
            return packing.pack(self.units(packing.unpack(x).transpose(0, 1))[0].transpose(0, 1))
        if not len(x):  # no events at all; nn.GRU refuses an empty input
            return x.new_zeros(0, self.units.hidden_size)
        order, sizes = by_step(packing)
        # Under autocast cuDNN would compute in fp16, which overflows where bf16 does not.
        kind = x.device.type
        with torch.autocast(kind, enabled=kind == "cpu" and torch.is_autocast_enabled(kind)):
            states, _ = self.units(PackedSequence(x.index_select(0, order), sizes))
        return torch.empty_like(states.data).index_copy(0, order, states.data)


def by_step(packing: Packing) -> tuple[Tensor, Tensor]:
    """The order of P events for a recurrent network, and the number of events at each step.

    All first events, then all second ones, …; longer histories first, as `PackedSequence` requires.
    """
    B, L = packing.shape
    row, step = packing.places // L, packing.before
    rank = row.bincount(minlength=B).argsort(descending=True, stable=True).argsort()
    return (step * B + rank[row]).argsort(), step.bincount().cpu()
