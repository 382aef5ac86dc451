"""SR-GNN: a gated network on the graph of a session (Wu et al., arXiv 1811.00855)."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.dropout import Dropout
from pixelrec.hyperparameters import DropoutRate, Layers
from pixelrec.users.session_graph import Hop, SessionGraphs
from pixelrec.users.user_model import AbstractUserModel


@final
class SRGNN(AbstractUserModel):
    """Items of a history as nodes, its steps as edges → gated steps → attention by the latest event.

    The vector is W [Σ αᵢ hᵢ ; h_last], αᵢ = w₃ · σ(W₁ h_last + W₂ hᵢ), summed over events, with h the states
    of their nodes after all steps. A node hears the mean of those that lead into it and of those it leads to.

    The published code has padding as one more node. It has no edge, and attention leaves it out, so it never
    changes a result: here it is none.

    Args:
        facts: what the data dictates.
        width: D.
        steps: how far a node hears.
        dropout: on the items' vectors where they enter the graph; none as published.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        steps: Layers = 2,
        dropout: DropoutRate = 0.0,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.dropout = Dropout(dropout)
        self.cell = GatedCell(width)
        self.by_latest = nn.Linear(width, width)  # W₁
        self.by_event = nn.Linear(width, width)  # W₂
        self.weigh = nn.Linear(width, 1, bias=False)  # w₃
        self.join = nn.Linear(2 * width, width)  # W
        bound = 1 / math.sqrt(width)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        history = events.history
        places = _asked(events).flatten().nonzero().squeeze(1)
        known = (history.flatten()[places] != 0).nonzero().squeeze(1)
        vectors = self._vectors(table, history, places[known])
        if len(known) == len(places):
            return vectors
        return vectors.new_zeros(len(places), vectors.shape[1]).index_copy(0, known, vectors)

    def _vectors(self, table: Tensor, history: Tensor, places: Tensor) -> Tensor:
        """P, D: of the prefixes that end at P places (of B · L), each of them an event."""
        if not len(places):
            return table[:0]
        graphs = SessionGraphs.of(history, places)
        items, number = history.unique(return_inverse=True)
        x, states = self.dropout(F.embedding(items, table)), number[graphs.window]
        for hop, after in graphs.hops(self.steps, states):
            x, states = self.cell(x, hop), after
        latest = x[graphs.latest(states)]  # P, D
        prefix, seen = graphs.events(states)
        hidden = self.by_event(x)[seen.rows] + self.by_latest(latest)[prefix]
        share = self.weigh(hidden.sigmoid()).squeeze(1)
        return self.join(torch.cat([seen.weighted_sum(x, share).to(x.dtype), latest], dim=1))


@final
class GatedCell(nn.Module):
    """A gated recurrent cell whose input is what a node hears along its edges; D wide (eqs. 1–5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into = nn.Linear(width, width)
        self.out_of = nn.Linear(width, width)
        self.into_bias = nn.Parameter(torch.empty(width))
        self.out_of_bias = nn.Parameter(torch.empty(width))
        self.heard = nn.Linear(2 * width, 3 * width)  # reset, keep, new
        self.state = nn.Linear(width, 3 * width)  # reset, keep, new

    def forward(self, x: Tensor, hop: Hop) -> Tensor:
        """States before a step (S′, D) → after it (S, D)."""
        width = x.shape[1]
        maps = (self.into, self.out_of, self.state)
        # All that depends on a node's own state alone is computed once per state, in one product.
        own = F.linear(x, torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps]))
        into, out_of, state = own.split((width, width, 3 * width), dim=1)
        heard = torch.cat(
            [hop.into.mean(into) + self.into_bias, hop.out_of.mean(out_of) + self.out_of_bias], dim=1
        )
        reset, keep, new = self.heard(heard).chunk(3, dim=1)
        own_reset, own_keep, own_new = state[hop.before].chunk(3, dim=1)
        new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
        return torch.lerp(new, x[hop.before].to(new.dtype), torch.sigmoid(keep + own_keep))


def _asked(events: Events) -> Tensor:
    """B, L: the places asked for; where nothing is asked, the last one."""
    if events.target_mask is not None:
        return events.target_mask
    B, L = events.history.shape
    return (torch.arange(L, device=events.history.device) == L - 1).expand(B, L)
