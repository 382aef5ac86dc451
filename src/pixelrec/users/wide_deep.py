"""Wide & Deep: a linear model of crossed features plus a network (Cheng et al., arXiv 1606.07792)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.pairs import in_chunks
from pixelrec.blocks.pooling import pool_others
from pixelrec.blocks.tower import check_widths, head, xavier_normal
from pixelrec.hyperparameters import DropoutRate
from pixelrec.users.user_model import AbstractUserModel


@final
class WideDeep(AbstractUserModel):
    """Score = wide + deep, over the mean h of the history's item vectors and the candidate q.

    The paper's features correspond to the table as follows: installed apps → h, the displayed app → q, their
    cross-product transformation → products hᵢqⱼ of coordinates. Wide is linear in q and in all products,
    w·q + hᵀWq; deep is a perceptron with ReLU over [h, q]. Terms of h alone and a bias are omitted: they are
    the same for every candidate, so they affect neither loss nor ranking.

    Args:
        deep: widths of the layers of the perceptron.
        dropout: dropout before each of its layers but the first.
    """

    view = "rest_of_window"
    looks_at_candidates = True

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        deep: tuple[int, ...] = (64, 32),
        dropout: DropoutRate = 0.0,
    ) -> None:
        super().__init__()
        check_widths("users.deep", deep, least=1)
        self.cross = nn.Parameter(torch.empty(width, width))
        self.linear = nn.Parameter(torch.zeros(width))
        nn.init.xavier_normal_(self.cross)
        self.into = xavier_normal(nn.Linear(2 * width, deep[0]))
        self.onward = head(deep, nn.ReLU, dropout, bias=False)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        return pool_others(table, events.history, events.target_mask, mean=True)

    def score(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        # The first layer of the deep part is a sum of a user's and a candidate's part, each computed once.
        of_user, of_candidate = self.into.weight.chunk(2, dim=1)
        users = vectors @ of_user.T  # M, H
        items = F.linear(candidates, of_candidate, self.into.bias)  # n, H or M, K, H

        def scored(rows: Tensor) -> Tensor:
            theirs = items if items.dim() == 2 else items.index_select(0, rows)
            return self.onward(users.index_select(0, rows).unsqueeze(1) + theirs).squeeze(2)

        wide = super().score(vectors @ self.cross + self.linear, candidates)
        return wide + in_chunks(scored, torch.arange(len(vectors), device=vectors.device), items.shape[-2])
