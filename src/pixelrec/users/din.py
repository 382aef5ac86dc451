"""DIN: the weight of an event depends on the candidate (Zhou et al., arXiv 1706.06978)."""

from __future__ import annotations

from math import sqrt
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.pairs import in_chunks
from pixelrec.blocks.tower import check_widths, head, xavier_normal
from pixelrec.numerics.precision import at_least_fp32
from pixelrec.users.user_model import AbstractUserModel

CANDIDATES = 256  # at a time: each has a first layer of its own


@final
class DIN(AbstractUserModel):
    """Score of candidate q = (Σ w(k, q) k / √D) · q over the events k of the history.

    w is a perceptron over [q, k, q − k, q∘k] with sigmoid units, not normalised over the events.

    A score is a sum over events, so candidates shared by all targets are compared once with each *distinct*
    event of the batch. For this, `forward` passes each event's row number beside its vector to `score`.

    Args:
        attention: widths of the layers of the attention perceptron w.
    """

    view = "rest_of_window"
    looks_at_candidates = True

    def __init__(self, spec: DatasetSpec, width: int, *, attention: tuple[int, ...] = (80, 40)) -> None:
        super().__init__()
        check_widths("users.attention", attention, least=1)
        self.width, self.places = width, spec.length + 1
        self.into = xavier_normal(nn.Linear(4 * width, attention[0]))
        self.onward = head(attention, nn.Sigmoid, 0.0, bias=True)
        # deviation: every pair starts with a weight of about 1, which makes the score a sum over events. With
        # random signs, a negative start makes similar items repel each other, with some seeds for good.
        last = cast(nn.Linear, self.onward[-1])
        nn.init.xavier_normal_(last.weight, gain=0.1)
        nn.init.ones_(last.bias)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        """M, L + 1, D + 1: the events' vectors, each followed by its row number; the target is padding."""
        history = F.pad(events.history, (max(0, self.places - events.history.shape[1]), 0))
        if events.target_mask is not None:
            row, place = events.target_mask.nonzero(as_tuple=True)  # M
            own = place + history.shape[1] - events.target_mask.shape[1]
            history = history[row].scatter(1, own.unsqueeze(1), 0)  # M, L + 1
        # fp32 represents row numbers exactly up to 2²⁴.
        table = at_least_fp32(table)
        x = F.embedding(history, table, padding_idx=0)
        return torch.cat([x, history.unsqueeze(2).to(x.dtype)], dim=2)

    def score(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        events, number = _distinct(vectors)
        if candidates.dim() == 3:
            return self._score_own(events, number, candidates)
        parts = [
            in_chunks(lambda some, q=q: self._pairs(some, q), events, len(q))  # type: ignore[misc]
            for q in candidates.split(CANDIDATES)
        ]
        # Padding is a zero vector, which adds nothing.
        return F.embedding_bag(number, torch.cat(parts, dim=1), mode="sum")

    def _pairs(self, events: Tensor, candidates: Tensor) -> Tensor:
        """Contributions of events k (u, D) to the scores of candidates q (n, D) → u, n.

        For a given q the first layer is linear in k: weights q∘Wₚ + Wₖ − W_d, bias (W_q + W_d) q + b.
        """
        of_q, of_k, crossed = self._first_layer()
        weights = candidates.unsqueeze(1) * crossed + of_k  # n, H, D
        bias = F.linear(candidates, of_q, self.into.bias)  # n, H
        first = F.linear(events, weights.flatten(0, 1), bias.flatten()).unflatten(1, bias.shape)  # u, n, H
        return self.onward(first).squeeze(2) * (events @ candidates.T) / sqrt(self.width)

    def _score_own(self, events: Tensor, number: Tensor, candidates: Tensor) -> Tensor:
        """M, K, for candidates (M, K, D) of each target; padding is skipped."""
        of_q, of_k, crossed = self._first_layer()
        of_events, of_candidates = events @ of_k.T, F.linear(candidates, of_q, self.into.bias)
        real = events.any(dim=1)[number]  # M, L + 1: padding has a zero vector
        owner = real.nonzero()[:, 0]  # P: each event of each target
        number = number[real]

        def added(pairs: Tensor) -> Tensor:
            k, m = number[pairs], owner[pairs]
            products = events.index_select(0, k).unsqueeze(1) * candidates.index_select(0, m)  # P, K, D
            first = of_events.index_select(0, k).unsqueeze(1) + of_candidates.index_select(0, m)
            weight = self.onward(first + products @ crossed.T).squeeze(2)
            return weight * products.sum(dim=2) / sqrt(self.width)

        each = in_chunks(added, torch.arange(len(owner), device=owner.device), candidates.shape[1])  # P, K
        return each.new_zeros(candidates.shape[:2]).index_add(0, owner, each)

    def _first_layer(self) -> tuple[Tensor, Tensor, Tensor]:
        """Its weights (H, D) of q, k and q∘k; those of q − k are added to the first two."""
        of_q, of_k, of_difference, crossed = self.into.weight.split(self.width, dim=1)
        return of_q + of_difference, of_k - of_difference, crossed


def _distinct(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct events (u, D) of what `forward` returned, and which of them stands where: M, L + 1."""
    rows, number = vectors[..., -1].unique(return_inverse=True)
    flat = number.flatten()
    place = torch.empty_like(rows, dtype=torch.int64)
    place.scatter_(0, flat, torch.arange(len(flat), device=flat.device))  # any: the same row, the same vector
    return vectors.flatten(0, 1).index_select(0, place)[:, :-1], number
