"""ACF: attention to the regions of what a user has seen, and to the items (Chen et al., SIGIR 2017)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events, Regions
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.pairs import in_chunks
from pixelrec.blocks.tower import kaiming_normal
from pixelrec.users.user_model import AbstractUserModel


@final
class ACF(AbstractUserModel):
    """W u + Σ α(u, l) p(l): a vector of the user, and a weighted mean of the item vectors p of the history.

    β(u, l, m) = softmax over regions m of v₂ᵀ ReLU(A u + B x(l, m) + b₂)        component attention
    x̄(l) = Σ β(u, l, m) x(l, m)
    α(u, l) = softmax over events l of v₁ᵀ ReLU(W u + P p(l) + X x̄(l) + b₁)      item attention

    As in the published benchmark (arXiv 2309.06789), candidates and history share their item vectors, regions
    are reduced to D by the item encoder, and W u stands in the sum; the paper has two vectors of each item,
    and adds u itself.

    Args:
        init: initial user vectors, as of MF.
    """

    view = "rest_of_window"
    needs_known_user = True
    needs_regions = True

    def __init__(self, spec: DatasetSpec, width: int, *, init: Init = "kaiming_normal") -> None:
        super().__init__()
        self.rows = EmbeddingTable(spec.users, width, init=init)
        self.user = kaiming_normal(nn.Linear(width, width))
        # Biases that a softmax cancels, and second biases of one sum, are left out.
        self.item = kaiming_normal(nn.Linear(width, width, bias=False))
        self.content = kaiming_normal(nn.Linear(width, width))
        self.item_weight = _kaiming_vector(width)
        self.component_user = kaiming_normal(nn.Linear(width, width))
        self.component = kaiming_normal(nn.Linear(width, width, bias=False))
        self.component_weight = _kaiming_vector(width)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        if events.regions is None:
            raise ValueError("acf needs the regions of the histories: events.regions")
        real = events.history != 0  # B, L
        packing, users = Packing.of(real), self.rows(events.users)
        owners = packing.places // real.shape[1]  # P: the user of each event
        items = F.embedding(events.history, table, padding_idx=0)  # B, L, D
        content = self._content(users, owners, packing.pack(events.regions.rows), events.regions)  # P, D
        of_user = self.user(users)  # B, D
        hidden = of_user[owners] + self.item(packing.pack(items)) + self.content(content)
        scores = packing.unpack(F.relu(hidden) @ self.item_weight)  # B, L
        mixed = _weights(scores, real, events.target_mask) @ items  # B, T, D
        vectors = of_user.unsqueeze(1) + mixed
        return vectors[:, 0] if events.target_mask is None else vectors[events.target_mask]

    def _content(self, users: Tensor, owners: Tensor, rows: Tensor, regions: Regions) -> Tensor:
        """x̄: the regions of each event (P, D), weighted by its user's attention."""
        x = regions.vectors  # H, R, D
        keys, queries = self.component(x), self.component_user(users)

        def attended(events: Tensor) -> Tensor:
            row = rows[events]
            hidden = F.relu(keys[row] + queries[owners[events]].unsqueeze(1))  # P, R, D
            weights = (hidden @ self.component_weight).softmax(dim=1)
            return (weights.unsqueeze(1) @ x[row]).squeeze(1)

        return in_chunks(attended, torch.arange(len(owners), device=owners.device), x.shape[1])


def _weights(scores: Tensor, real: Tensor, target_mask: Tensor | None) -> Tensor:
    """The softmax (B, T, L) of scores (B, L) over all real events but the target."""
    allowed = real.unsqueeze(1)
    if target_mask is not None:
        itself = torch.eye(real.shape[1], dtype=torch.bool, device=real.device)
        allowed = allowed & ~itself
    # A finite mask: a softmax over nothing has no gradient that is a number.
    lowest = torch.finfo(scores.dtype).min
    return scores.unsqueeze(1).masked_fill(~allowed, lowest).softmax(dim=2) * allowed


def _kaiming_vector(width: int) -> nn.Parameter:
    """The weights (D) of a linear layer with one output."""
    return nn.Parameter(kaiming_normal(nn.Linear(width, 1, bias=False)).weight.detach()[0].clone())
