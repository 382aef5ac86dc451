"""Log-sum-exp over thousands of competing items, or all, without a matrix targets × items.

The forward pass reads the table in chunks and stores one number per target; the backward pass recomputes the
chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from pixelrec.numerics.tiles import split_by_tile, tile_width


def competing_logsumexp(
    vectors: Tensor,
    table: Tensor,
    target_rows: Tensor,
    negative_rows: Tensor | None = None,
    log_q: Tensor | None = None,
    *,
    chunk: int | None = None,
) -> Tensor:
    """log Σ exp(v · t_r − log q_r) over the rows r that compete with each target, [M]; −inf if none does.

    A target's own row and row 0 never compete. A softmax over the positive and this value as the only
    negative is exactly the softmax over the target and all its competitors.

    vectors: M, D. table: U, D. target_rows: M. negative_rows: S, with repetitions; None: every row. log_q: S
    (U − 1 for every row), finite, without a gradient. chunk: rows at a time; by default as suits the device.

    The dtype of products follows autocast, or is the wider of the two; sums and result are float32 (float64
    for float64 input). Differentiable once, in `vectors` and `table`.
    """
    device = vectors.device.type
    dtype = torch.promote_types(vectors.dtype, table.dtype)
    if torch.is_autocast_enabled(device) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
    chunk = chunk or tile_width(vectors.device)
    plan = _Plan(target_rows, negative_rows, log_q, _targets(vectors.device), chunk, dtype)
    result: Tensor = _CompetingLogSumExp.apply(vectors, table, plan)  # type: ignore[no-untyped-call]
    return result


def _targets(device: torch.device) -> int:
    """Targets per tile: its float32 scores take 4 MiB on a CPU, 256 MiB on an accelerator."""
    return 1024 if device.type == "cpu" else 4096


def scored_logsumexp(
    score: Callable[[Tensor, Tensor], Tensor],
    vectors: Tensor,
    table: Tensor,
    target_rows: Tensor,
    *,
    chunk: int = 64,
) -> Tensor:
    """As above over the whole table, for any `score`: vectors (M, …), rows (n, D) → M, n.

    The backward pass recomputes each chunk of rows, so memory holds the scores of one chunk only.
    """
    starts = range(1, len(table), chunk)
    parts = [
        checkpoint(_scored_part, score, vectors, table[s : s + chunk], target_rows - s, use_reentrant=False)
        for s in starts
    ]
    return torch.stack(parts, dim=1).logsumexp(dim=1)


def _scored_part(
    score: Callable[[Tensor, Tensor], Tensor], vectors: Tensor, rows: Tensor, own: Tensor
) -> Tensor:
    scores = score(vectors, rows)
    itself = torch.arange(len(rows), device=rows.device) == own[:, None]
    # A finite floor: a chunk may contain only the target, and −inf alone has no gradient.
    return scores.masked_fill(itself, torch.finfo(scores.dtype).min / 2).logsumexp(dim=1)


@final
@dataclass(frozen=True)
class _Plan:
    """The competitors of each target, and the tiling."""

    target_rows: Tensor  # M
    negative_rows: Tensor | None  # S
    log_q: Tensor | None  # S
    targets: int  # per tile
    chunk: int  # rows per tile
    dtype: torch.dtype  # of the matrix products

    @property
    def sums(self) -> torch.dtype:
        return torch.promote_types(self.dtype, torch.float32)

    @cached_property
    def offset(self) -> Tensor | None:
        """S, added to the scores: −log q, and −∞ at padding."""
        if self.negative_rows is None:
            return None if self.log_q is None else -self.log_q.to(self.sums)
        offset = torch.zeros(len(self.negative_rows), dtype=self.sums, device=self.negative_rows.device)
        if self.log_q is not None:
            offset -= self.log_q
        return offset.masked_fill_(self.negative_rows == 0, -torch.inf)

    def tiles(self, vectors: Tensor, table: Tensor) -> Iterator[_Tile]:
        """Scores of every block of targets with every chunk of rows; each overwrites the previous one."""
        rows = len(table) - 1 if self.negative_rows is None else len(self.negative_rows)
        room = torch.empty(
            min(self.targets, len(vectors)) * min(self.chunk, rows), dtype=self.sums, device=table.device
        )
        for first in range(0, len(vectors), self.targets):
            block = slice(first, min(first + self.targets, len(vectors)))
            queries = vectors[block].to(self.dtype)
            own = split_by_tile(*_own_columns(self.target_rows[block], self.negative_rows), self.chunk, rows)
            for number, hits in enumerate(own):
                columns = slice(number * self.chunk, min((number + 1) * self.chunk, rows))
                place: slice | Tensor = slice(columns.start + 1, columns.stop + 1)
                if self.negative_rows is not None:
                    place = self.negative_rows[columns]
                keys = table[place].to(self.dtype)
                scores = room[: len(queries) * len(keys)].view(len(queries), len(keys))
                self._multiply(queries, keys, columns, scores)
                scores[hits] = -torch.inf
                yield _Tile(block, place, keys, scores)

    def _multiply(self, queries: Tensor, keys: Tensor, columns: slice, scores: Tensor) -> None:
        offset = None if self.offset is None else self.offset[columns]
        if self.dtype != self.sums:
            scores.copy_(queries @ keys.T)
            if offset is not None:
                scores.add_(offset)
        elif offset is None:
            torch.mm(queries, keys.T, out=scores)
        else:
            torch.addmm(offset, queries, keys.T, out=scores)


@final
@dataclass(frozen=True)
class _Tile:
    block: slice  # of targets
    place: slice | Tensor  # rows of the table
    keys: Tensor  # c, D
    scores: Tensor  # m, c


def _own_columns(target_rows: Tensor, negative_rows: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pairs (target, column) such that the column is the target's own row."""
    if negative_rows is None:
        own = target_rows.nonzero()[:, 0]
        return own, target_rows[own] - 1
    rows, order = negative_rows.sort()
    first = torch.searchsorted(rows, target_rows)
    sizes = torch.searchsorted(rows, target_rows, right=True) - first
    own = torch.arange(len(target_rows), device=rows.device).repeat_interleave(sizes)
    place = torch.arange(len(own), device=rows.device) - (sizes.cumsum(0) - sizes)[own]
    return own, order[first[own] + place]


@final
class _CompetingLogSumExp(Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, table: Tensor, plan: _Plan) -> Tensor:
        top = torch.full((len(vectors),), -torch.inf, dtype=plan.sums, device=vectors.device)
        total = torch.zeros_like(top)
        with torch.autocast(vectors.device.type, enabled=False):  # the plan determines the dtypes
            for tile in plan.tiles(vectors, table):
                # Adds the tile to the running log Σ exp = top + log(total).
                old, new = top[tile.block], torch.maximum(top[tile.block], tile.scores.amax(dim=1))
                level = _finite(new)
                more = tile.scores.sub_(level[:, None]).exp_().sum(dim=1)
                total[tile.block].mul_(old.sub(level).exp_()).add_(more)
                old.copy_(new)
        result = total.log_().add_(_finite(top))
        ctx.save_for_backward(vectors, table, result)
        ctx.plan = plan
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        vectors, table, result = ctx.saved_tensors
        plan: _Plan = ctx.plan
        for_vectors = torch.zeros_like(vectors, dtype=plan.sums)
        for_table = torch.zeros_like(table, dtype=plan.sums)
        level = _finite(result)[:, None]
        # Slopes multiply D columns once instead of all competitors.
        scaled = (vectors.to(plan.sums) * slope[:, None]).to(plan.dtype)
        with torch.autocast(vectors.device.type, enabled=False):
            for tile in plan.tiles(vectors, table):
                softmax = tile.scores.sub_(level[tile.block]).exp_().to(plan.dtype)
                _add_product(for_vectors[tile.block], softmax, tile.keys)
                if isinstance(tile.place, slice):
                    _add_product(for_table[tile.place], softmax.T, scaled[tile.block])
                else:
                    for_table.index_add_(0, tile.place, (softmax.T @ scaled[tile.block]).to(plan.sums))
        return for_vectors.mul_(slope[:, None]).to(vectors.dtype), for_table.to(table.dtype), None


def _finite(level: Tensor) -> Tensor:
    """0 instead of −inf: −inf − (−inf) is not a number."""
    return level.masked_fill(level == -torch.inf, 0)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total.add_(left @ right)
