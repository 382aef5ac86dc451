"""VisRank: items that look like those of the history (Kang et al. 2017, arXiv 1711.02231)."""

from __future__ import annotations

from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.user_model import AbstractUserModel, target_places


@final
class VisRank(AbstractUserModel):
    """A candidate's score is the mean of its largest dot products with the distinct items of the history.

    Over features of length 1, products are cosines, and nothing is trained.

    Args:
        nearest: products that are averaged: 1 takes the largest; by default all of them.
    """

    view = "next_item"
    looks_at_candidates = True

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,  # noqa: ARG002
        *,
        nearest: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None,
    ) -> None:
        super().__init__()
        self.length, self.nearest = spec.length, nearest

    def forward(self, table: Tensor, events: Events) -> Tensor:
        """M, L, D + 1: the items that count, each with a 1 behind it; zero where none does."""
        history = F.pad(events.history, (max(0, self.length - events.history.shape[1]), 0))
        row, place = target_places(events).nonzero(as_tuple=True)  # M
        L = history.shape[1]
        place = place + L - events.history.shape[1]
        places = torch.arange(L, device=history.device)
        shown = history[row].masked_fill(places > place.unsqueeze(1), 0)  # M, L
        later = torch.ones(L, L, dtype=torch.bool, device=history.device).triu(1)
        again = ((shown.unsqueeze(2) == shown.unsqueeze(1)) & later).any(2)
        shown = shown.masked_fill(again, 0)
        real = (shown != 0).unsqueeze(2)
        return torch.cat([F.embedding(shown, table) * real, real.to(table.dtype)], dim=2)

    def score(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        items, real = vectors[..., :-1], vectors[..., -1] != 0  # M, L, D and M, L
        products = items @ candidates.transpose(-1, -2)  # M, L, n or M, L, K
        most = min(self.nearest or products.shape[1], products.shape[1])
        largest = products.masked_fill(~real.unsqueeze(2), -torch.inf).topk(most, dim=1).values
        total = largest.masked_fill(largest == -torch.inf, 0).sum(1)
        return total / real.sum(1, keepdim=True).clamp(1, most)
