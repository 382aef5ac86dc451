"""SR-GNN: a gated graph network on the graph of a history (Wu et al., arXiv 1811.00855).

All prefixes of a window are computed together. The graph of a prefix has its distinct items as nodes, and an
edge from each event's item to the next one's, once however often it occurs. The next prefix adds at most one
edge, so most nodes keep their neighbourhood: such nodes share one *state*, which is computed once. On windows
of 50 a training step takes less than a fifth of the time of dense adjacencies (benchmarks/prefixes.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.dropout import Dropout
from pixelrec.hyperparameters import DropoutRate, Layers
from pixelrec.numerics.precision import at_least_fp32
from pixelrec.users.user_model import AbstractUserModel, target_places


@final
class SRGNN(AbstractUserModel):
    """Items of a history as nodes, its transitions as edges → gated steps → attention by the latest event.

    The vector is W [Σ αᵢ hᵢ ; h_last], αᵢ = w₃ · σ(W₁ h_last + W₂ hᵢ), summed over events, with h the states
    of their nodes after all steps. A step combines a node's state with the means over its predecessors and
    over its successors. The published code has an extra node for padding, which never changes a result.

    Args:
        steps: steps of propagation.
        dropout: dropout on the input items; the published model has none.
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
        places = target_places(events).flatten().nonzero().squeeze(1)
        known = (history.flatten()[places] != 0).nonzero().squeeze(1)
        vectors = self._vectors(table, history, places[known])
        if len(known) == len(places):
            return vectors
        return vectors.new_zeros(len(places), vectors.shape[1]).index_copy(0, known, vectors)

    def _vectors(self, table: Tensor, history: Tensor, places: Tensor) -> Tensor:
        """P, D: vectors of the prefixes that end at P places (of B · L), each of them an event."""
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
        weights = self.weigh(hidden.sigmoid()).squeeze(1)
        return self.join(torch.cat([seen.weighted_sum(x, weights).to(x.dtype), latest], dim=1))


@final
class GatedCell(nn.Module):
    """A gated recurrent cell whose input is the mean over a node's edges in both directions (eqs. 1–5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into = nn.Linear(width, width)
        self.out_of = nn.Linear(width, width)
        self.into_bias = nn.Parameter(torch.empty(width))
        self.out_of_bias = nn.Parameter(torch.empty(width))
        self.received = nn.Linear(2 * width, 3 * width)  # reset, keep, new
        self.state = nn.Linear(width, 3 * width)  # reset, keep, new

    def forward(self, x: Tensor, hop: Hop) -> Tensor:
        """States before a step (S′, D) → after it (S, D)."""
        width = x.shape[1]
        maps = (self.into, self.out_of, self.state)
        # Products that depend on a single state are computed once per state, in one multiplication.
        own = F.linear(x, torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps]))
        into, out_of, state = own.split((width, width, 3 * width), dim=1)
        received = torch.cat(
            [hop.into.mean(into) + self.into_bias, hop.out_of.mean(out_of) + self.out_of_bias], dim=1
        )
        reset, keep, new = self.received(received).chunk(3, dim=1)
        own_reset, own_keep, own_new = state[hop.before].chunk(3, dim=1)
        new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
        return torch.lerp(new, x[hop.before].to(new.dtype), torch.sigmoid(keep + own_keep))


@final
@dataclass(frozen=True)
class Bags:
    """Lists of rows, concatenated."""

    rows: Tensor
    offsets: Tensor  # the start of each list, and the end of the last one

    @classmethod
    def of(cls, owners: Tensor, rows: Tensor, count: int) -> Bags:
        """`count` lists; each row belongs to the list of its owner."""
        order = owners.argsort(stable=True)
        sizes = torch.bincount(owners, minlength=count)
        return cls(rows[order], F.pad(sizes.cumsum(0), (1, 0)))

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each list of rows of `x`, zero for an empty one; fp32 at least."""
        return F.embedding_bag(
            self.rows, at_least_fp32(x), self.offsets, mode="mean", include_last_offset=True
        )

    def weighted_sum(self, x: Tensor, weights: Tensor) -> Tensor:
        """The sum of each list of rows of `x`, each times its weight; fp32 at least."""
        x, weights = at_least_fp32(x), at_least_fp32(weights)
        return F.embedding_bag(
            self.rows, x, self.offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
        )


@final
@dataclass(frozen=True)
class Hop:
    """One step of propagation to S states."""

    before: Tensor  # S: the state of the same node before the step
    into: Bags  # S lists: states of the node's predecessors
    out_of: Bags  # S lists: states of its successors


@final
@dataclass(frozen=True)
class SessionGraphs:
    """The graphs of M prefixes of histories of L events. A node is the first place of its item."""

    window: Tensor  # M: its history
    last: Tensor  # M: the last place of the prefix
    node: Tensor  # M, L: the node at every place
    inside: Tensor  # M, L: is there an event of the prefix?
    edge: Tensor  # M, L − 1: is the transition to the next place a new edge?
    windows: int  # B

    @classmethod
    def of(cls, history: Tensor, places: Tensor) -> SessionGraphs:
        """For the prefixes that end at `places`, M of B · L, in histories (B, L), left padded with 0."""
        B, L = history.shape
        window, last = places // L, places % L
        place = torch.arange(L, device=history.device)
        node = (history[:, :, None] == history[:, None, :]).int().argmax(-1)  # B, L
        edge = node[:, :-1] * L + node[:, 1:]
        repeated = (edge[:, :, None] == edge[:, None, :]).tril(-1).any(-1)  # B, L − 1
        new = ~repeated & (history[:, :-1] != 0)
        return cls(
            window,
            last,
            node[window],
            (history != 0)[window] & (place <= last[:, None]),
            new[window] & (place[1:] <= last[:, None]),
            B,
        )

    def hops(self, steps: int, number: Tensor) -> Iterator[tuple[Hop, Tensor]]:
        """The steps of propagation, each with the states (M, L) of the prefixes' nodes after it.

        `number` (M, L) are the states before the first step: nodes with the same number start equal.
        """
        # First the place since which a node has had its neighbours: the one after its latest event.
        place = torch.arange(self.node.shape[1], device=self.node.device).expand_as(self.node)
        latest = torch.zeros_like(self.node).scatter_reduce(1, self.node, place * self.inside, "amax")
        version = torch.minimum(latest + 1, self.last[:, None])
        for step in range(steps):
            version = version if step == 0 else self._next_version(version)
            after, chosen = self._number(version)
            yield self._hop(number, after, chosen), after
            number = after

    def _next_version(self, version: Tensor) -> Tensor:
        """M, L: the place since which a node's neighbours have had their version."""
        tail, head = self.node[:, :-1], self.node[:, 1:]
        onto_head = version.gather(1, tail) * self.edge
        onto_tail = version.gather(1, head) * self.edge
        spread = version.scatter_reduce(1, head, onto_head, "amax")
        return spread.scatter_reduce(1, tail, onto_tail, "amax")

    def _number(self, version: Tensor) -> tuple[Tensor, Tensor]:
        """M, L: one number for all nodes of a history with the same version; and the representatives."""
        M, L = version.shape
        place = torch.arange(L, device=version.device)
        pairs = (self.inside & (self.node == place)).flatten().nonzero().squeeze(1)
        key = ((self.window[:, None] * L + place) * L + version).flatten()[pairs]
        # A scatter instead of a sort: written at the keys, and read only there.
        mark = torch.empty(self.windows * L * L, dtype=torch.int64, device=version.device)
        mark[key] = pairs
        stands = mark[key] == pairs
        chosen = pairs[stands]
        mark[key[stands]] = torch.arange(len(chosen), device=version.device)
        number = torch.zeros(M * L, dtype=torch.int64, device=version.device)
        number[pairs] = mark[key]
        return number.view(M, L), chosen

    def _hop(self, number: Tensor, after: Tensor, chosen: Tensor) -> Hop:
        """From the states (M, L) before and after a step; `chosen` are the representatives of the latter."""
        stands = torch.zeros(after.numel(), dtype=torch.bool, device=after.device)
        stands[chosen] = True
        stands = stands.view_as(after)
        tail, head = self.node[:, :-1], self.node[:, 1:]

        def neighbours(of: Tensor, at: Tensor) -> Bags:
            where = (self.edge & stands.gather(1, of)).flatten().nonzero().squeeze(1)
            owners, rows = after.gather(1, of).flatten(), number.gather(1, at).flatten()
            return Bags.of(owners[where], rows[where], len(chosen))

        return Hop(number.flatten()[chosen], neighbours(head, tail), neighbours(tail, head))

    def events(self, number: Tensor) -> tuple[Tensor, Bags]:
        """The prefix of every event of every prefix, and M lists of its node's state, from states (M, L)."""
        where = self.inside.flatten().nonzero().squeeze(1)
        states = number.gather(1, self.node).flatten()[where]
        offsets = F.pad(self.inside.sum(1).cumsum(0), (1, 0))
        return where // self.node.shape[1], Bags(states, offsets)

    def latest(self, number: Tensor) -> Tensor:
        """M: the state of the latest event's node, from states (M, L)."""
        return number.gather(1, self.node.gather(1, self.last[:, None])).squeeze(1)
