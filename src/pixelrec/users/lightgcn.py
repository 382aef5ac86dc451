"""LightGCN: user and item vectors averaged along a graph of events (He et al., arXiv 2002.02126)."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events, Histories
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.errors import RunError
from pixelrec.hyperparameters import Layers
from pixelrec.users.user_model import AbstractUserModel


@final
class LightGCN(AbstractUserModel):
    """A learned vector per user and the table, both propagated over the graph of training events.

    The graph is symmetrically normalised; a vector is the mean of layers 0 … `layers`. As in the published
    benchmark every training event is an edge, so a pair counts as often as it occurs. Every step propagates
    over the whole graph, whatever the batch size: large batches pay.

    Args:
        spec: facts about the data set; without its `history` the model can be loaded but not used.
        layers: layers of propagation.
        init: initial user vectors, as of MF.
    """

    view = "pairs"
    needs_catalogue = True
    needs_known_user = True
    everyone: Tensor

    def __init__(
        self, spec: DatasetSpec, width: int, *, layers: Layers = 2, init: Init = "xavier_normal"
    ) -> None:
        super().__init__()
        self.layers, self.items = layers, spec.items
        self.rows = EmbeddingTable(spec.users, width, init=init)
        self.graph = None if spec.history is None else Bipartite(spec.history, spec.items)
        self.register_buffer("everyone", torch.arange(spec.users + 1), persistent=False)

    def refine(self, table: Tensor) -> Tensor:
        """All items (N + 1, D) followed by all users (users + 1, D), propagated.

        Raises:
            RunError: there are no training events.
        """
        if self.graph is None:
            raise RunError(
                "lightgcn propagates over training events and got none; give the data set it was trained on"
            )
        propagated: Tensor = self.graph(self.rows(self.everyone), table, self.layers)
        return propagated

    def forward(self, table: Tensor, events: Events) -> Tensor:
        return F.embedding(events.users + self.items + 1, table)


@final
class Neighbours(nn.Module):
    """The neighbours of every node, in concatenated lists of `counts`; not part of checkpoints."""

    rows: Tensor
    offsets: Tensor

    def __init__(self, neighbours: np.ndarray, counts: np.ndarray) -> None:
        super().__init__()
        dtype = np.int32 if len(neighbours) < 2**31 else np.int64
        offsets = np.concatenate([[0], np.cumsum(counts)])
        self.register_buffer("rows", torch.from_numpy(neighbours.astype(dtype)), persistent=False)
        self.register_buffer("offsets", torch.from_numpy(offsets.astype(dtype)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """For each node, the sum of its neighbours' rows of `x`.

        On a CPU an embedding bag is two to four times faster than a product with a sparse CSR matrix.
        """
        return F.embedding_bag(self.rows, x, self.offsets, mode="sum", include_last_offset=True)

    def scale(self, like: Tensor) -> Tensor:
        """D^-1/2 of the nodes' degrees, a column; 1 for a node without neighbours."""
        return self.offsets.diff().clamp(min=1).to(like.dtype).rsqrt_().unsqueeze(1)


@final
class Bipartite(nn.Module):
    """The graph of users and items 1 … `items`: an edge per event, 8 bytes each."""

    def __init__(self, histories: Histories, items: int) -> None:
        super().__init__()
        lengths = histories.stops - histories.starts
        owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        shift = histories.starts - (np.cumsum(lengths) - lengths)
        numbers = histories.items[np.arange(len(owners)) + np.repeat(shift, lengths)]
        by_item = np.argsort(numbers, kind="stable")
        self.of_users = Neighbours(numbers, lengths)
        self.of_items = Neighbours(owners[by_item], np.bincount(numbers, minlength=items + 1))

    def forward(self, users: Tensor, items: Tensor, layers: int) -> Tensor:
        """Items followed by users: the mean of layers 0 (users + 1, D; N + 1, D) to `layers`.

        A layer is D^-1/2 A D^-1/2 times the previous one, A the adjacency and D its degrees (arXiv
        2002.02126, eqs. 4 and 8). Differentiable once; fp32 at least.
        """
        dtype = torch.promote_types(torch.promote_types(users.dtype, items.dtype), torch.float32)
        users, items = users.to(dtype), items.to(dtype)
        result: Tensor = _Mean.apply(users, items, self, layers)  # type: ignore[no-untyped-call]
        return result

    def mean_of_layers(self, users: Tensor, items: Tensor, layers: int) -> Tensor:
        """As `forward`, without a gradient: (x + Â (x + Â (x + …))) / (layers + 1)."""
        result = torch.empty(len(items) + len(users), users.shape[1], dtype=users.dtype, device=users.device)
        present = result[: len(items)], result[len(items) :]
        present[0].copy_(items)
        present[1].copy_(users)
        item_scale, user_scale = self.of_items.scale(items), self.of_users.scale(users)
        for _ in range(layers):
            # Both sums are taken before either half is overwritten.
            by_users = self.of_users(present[0].mul_(item_scale))
            by_items = self.of_items(present[1].mul_(user_scale))
            torch.addcmul(items, by_items, item_scale, out=present[0])
            torch.addcmul(users, by_users, user_scale, out=present[1])
        return result.div_(layers + 1)


@final
class _Mean(Function):
    """The mean of layers is a symmetric matrix times layer 0, so its gradient is the same mean."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, graph: Bipartite, layers: int) -> Tensor:
        ctx.graph, ctx.layers, ctx.items = graph, layers, len(items)
        return graph.mean_of_layers(users, items, layers)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_items, of_users = gradient[: ctx.items], gradient[ctx.items :]
        mean = ctx.graph.mean_of_layers(of_users, of_items, ctx.layers)
        return mean[ctx.items :], mean[: ctx.items], None, None
