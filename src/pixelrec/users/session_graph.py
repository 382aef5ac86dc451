"""Graphs of many prefixes of histories at once; what several prefixes share is one state.

The graph of a prefix has its distinct items as nodes, and an edge from each event's item to the next one's,
once however often it is walked. The next prefix of the same history adds one edge at most, so most nodes keep
the neighbourhood they had: they are in the same *state*, which is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F


@final
@dataclass(frozen=True)
class Bags:
    """Lists of rows, one list after the other."""

    rows: Tensor  # all of them
    offsets: Tensor  # where each list begins, and where the last one ends

    @classmethod
    def of(cls, owners: Tensor, rows: Tensor, count: int) -> Bags:
        """`count` lists; each row goes to the list of its owner."""
        order = owners.argsort(stable=True)
        sizes = torch.bincount(owners, minlength=count)
        return cls(rows[order], F.pad(sizes.cumsum(0), (1, 0)))

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each list of rows of `x`, zero for an empty one; fp32 at least."""
        return F.embedding_bag(self.rows, _full(x), self.offsets, mode="mean", include_last_offset=True)

    def weighted_sum(self, x: Tensor, weights: Tensor) -> Tensor:
        """The sum of each list of rows of `x`, each times its weight; fp32 at least."""
        return F.embedding_bag(
            self.rows,
            _full(x),
            self.offsets,
            mode="sum",
            per_sample_weights=_full(weights),
            include_last_offset=True,
        )


@final
@dataclass(frozen=True)
class Hop:
    """One step of propagation: S states follow from those before it."""

    before: Tensor  # S: the state of the same node before the step
    into: Bags  # S lists: states of the nodes that lead into the node
    out_of: Bags  # S lists: states of the nodes that it leads to


@final
@dataclass(frozen=True)
class SessionGraphs:
    """The graphs of M prefixes of histories of L events. A node is the first place of its item."""

    window: Tensor  # M: the history
    last: Tensor  # M: the latest place of the prefix
    node: Tensor  # M, L: the node at every place
    inside: Tensor  # M, L: is there an event of the prefix?
    edge: Tensor  # M, L − 1: does the step to the next place walk a new edge?
    windows: int  # B

    @classmethod
    def of(cls, history: Tensor, places: Tensor) -> SessionGraphs:
        """Of the prefixes that end at `places`, M of B · L, in histories (B, L), left padded with 0."""
        B, L = history.shape
        window, last = places // L, places % L
        place = torch.arange(L, device=history.device)
        node = (history[:, :, None] == history[:, None, :]).int().argmax(-1)  # B, L
        walked = node[:, :-1] * L + node[:, 1:]
        again = (walked[:, :, None] == walked[:, None, :]).tril(-1).any(-1)  # B, L − 1
        new = ~again & (history[:, :-1] != 0)
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

        `number` (M, L) is the states before the first step: nodes with the same number start equal.
        """
        version = self._first_version()
        for step in range(steps):
            version = version if step == 0 else self._next_version(version)
            after, chosen = self._number(version)
            yield self._hop(number, after, chosen), after
            number = after

    def _first_version(self) -> Tensor:
        """M, L: the place since which a node has had its neighbours: the one after its latest event."""
        place = torch.arange(self.node.shape[1], device=self.node.device).expand_as(self.node)
        latest = torch.zeros_like(self.node).scatter_reduce(1, self.node, place * self.inside, "amax")
        return torch.minimum(latest + 1, self.last[:, None])

    def _next_version(self, version: Tensor) -> Tensor:
        """M, L: the place since which a node's neighbours have had their version."""
        tail, head = self.node[:, :-1], self.node[:, 1:]
        onto_head = version.gather(1, tail) * self.edge
        onto_tail = version.gather(1, head) * self.edge
        spread = version.scatter_reduce(1, head, onto_head, "amax")
        return spread.scatter_reduce(1, tail, onto_tail, "amax")

    def _number(self, version: Tensor) -> tuple[Tensor, Tensor]:
        """M, L: nodes of a history with the same version get one number; and which one stands for all."""
        M, L = version.shape
        place = torch.arange(L, device=version.device)
        pairs = (self.inside & (self.node == place)).flatten().nonzero().squeeze(1)
        key = ((self.window[:, None] * L + place) * L + version).flatten()[pairs]
        # Marks instead of a sort: written where a key is, read only there.
        mark = torch.empty(self.windows * L * L, dtype=torch.int64, device=version.device)
        mark[key] = pairs
        stands = mark[key] == pairs
        chosen = pairs[stands]
        mark[key[stands]] = torch.arange(len(chosen), device=version.device)
        number = torch.zeros(M * L, dtype=torch.int64, device=version.device)
        number[pairs] = mark[key]
        return number.view(M, L), chosen

    def _hop(self, number: Tensor, after: Tensor, chosen: Tensor) -> Hop:
        """From the states (M, L) before and after a step; `chosen` are the places that stand for states."""
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
        """Every event of every prefix: its prefix, and M lists of its node's state, from states (M, L)."""
        where = self.inside.flatten().nonzero().squeeze(1)
        states = number.gather(1, self.node).flatten()[where]
        offsets = F.pad(self.inside.sum(1).cumsum(0), (1, 0))
        return where // self.node.shape[1], Bags(states, offsets)

    def latest(self, number: Tensor) -> Tensor:
        """M: the state of the latest event's node, from states (M, L)."""
        return number.gather(1, self.node.gather(1, self.last[:, None])).squeeze(1)


def _full(x: Tensor) -> Tensor:
    """At least fp32: sums of many rows in less would lose the small ones."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
