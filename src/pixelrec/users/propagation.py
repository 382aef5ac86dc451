"""Propagation over the graph of users and items, with sparse products that PyTorch does fastest on a CPU."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pixelrec.batch import Histories


@final
class Neighbours(nn.Module):
    """A list of neighbours for every node, which checkpoints leave out.

    Args:
        neighbours: all lists, one after the other.
        counts: how long each is.
    """

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

        An embedding bag: on a CPU two to four times faster than a product with a sparse CSR matrix.
        """
        return F.embedding_bag(self.rows, x, self.offsets, mode="sum", include_last_offset=True)

    def scale(self, like: Tensor) -> Tensor:
        """D^-1/2 of the nodes' degrees, a column; 1 for a node without neighbours."""
        return self.offsets.diff().clamp(min=1).to(like.dtype).rsqrt_().unsqueeze(1)


@final
class Bipartite(nn.Module):
    """Who took what: an edge per event, so that a pair counts as often as it occurs; 8 bytes an edge.

    Args:
        histories: the events; users are numbered from 0.
        items: N; items are numbered 1 … N.
    """

    def __init__(self, histories: Histories, items: int) -> None:
        super().__init__()
        lengths = histories.stops - histories.starts
        owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        shift = histories.starts - (np.cumsum(lengths) - lengths)
        taken = histories.items[np.arange(len(owners)) + np.repeat(shift, lengths)]
        by_item = np.argsort(taken, kind="stable")
        self.of_users = Neighbours(taken, lengths)
        self.of_items = Neighbours(owners[by_item], np.bincount(taken, minlength=items + 1))

    def forward(self, users: Tensor, items: Tensor, layers: int) -> Tensor:
        """Items, and users behind them: the mean of the start (users + 1, D; N + 1, D) and of its layers.

        A layer is D^-1/2 A D^-1/2 times the one before, A the adjacency and D its degrees (arXiv 2002.02126,
        eqs. 4 and 8). Differentiable once; fp32 at least.
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
            # Both are heard before either is overwritten.
            by_users = self.of_users(present[0].mul_(item_scale))
            by_items = self.of_items(present[1].mul_(user_scale))
            torch.addcmul(items, by_items, item_scale, out=present[0])
            torch.addcmul(users, by_users, user_scale, out=present[1])
        return result.div_(layers + 1)


@final
class _Mean(Function):
    """The mean of layers is a symmetric matrix times the start, so its gradient is the same mean."""

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
