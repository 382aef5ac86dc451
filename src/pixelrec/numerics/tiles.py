"""Dot products of many vectors with a catalogue: fast in tiles with an error bound, exact for chosen pairs.

A float32 matrix product differs slightly between shapes and devices, so comparisons based on it alone are not
reproducible. A tile comes with a bound on its error; the few pairs that the bound leaves open are decided by
`exact_dot`, whose result is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt

import torch
from torch import Tensor

from pixelrec.errors import DivergedError
from pixelrec.numerics.precision import without_tf32

_INNER = 512  # terms summed by one matrix product: the error bound grows with it, not with the width
_PAIR_NUMBERS = 1 << 18  # numbers per block of pairs: 2 MiB of float64, about the second-level cache
_MANY = 8  # pairs per row above which searching for identical rows pays


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Matrix products inside are true float32, without TF32, bfloat16, autocast or gradients."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False), without_tf32():
        yield


def tile_width(device: torch.device) -> int:
    """Items per tile: with 1,024 users it fits into the cache of a CPU, or fills an accelerator."""
    return 1024 if device.type == "cpu" else 16384


def product_dtype(vectors: Tensor, table: Tensor, largest: float) -> torch.dtype:
    """Float32 for vectors of at most that precision, if no score (at most `largest` in size) overflows it.

    Raises `DivergedError` where a score may overflow float64 too.
    """
    if not largest < torch.finfo(torch.float64).max / 4:
        raise DivergedError(
            "scores overflow float64, nothing can be ranked by them: train at a lower learning rate"
        )
    narrow = torch.float64 not in (vectors.dtype, table.dtype)
    return torch.float32 if narrow and largest < torch.finfo(torch.float32).max / 4 else torch.float64


def product(vectors: Tensor, rows: Tensor, out: Tensor) -> Tensor:
    """`out` = vectors[B, D] · rows[C, D]ᵀ, with an error of at most `error_bound`."""
    torch.mm(vectors[:, :_INNER], rows[:, :_INNER].T, out=out)
    for start in range(_INNER, vectors.shape[1], _INNER):
        inner = slice(start, start + _INNER)
        # not addmm: it may continue the running sum, and the error would grow with the width
        out.add_(vectors[:, inner] @ rows[:, inner].T)
    return out


def error_bound(vector_norms: Tensor, row_norms: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """A bound of |`product` − `exact_dot`|, float64[B]; norms from `norm_bounds`.

    Summing n products in any order errs by at most n·u / (1 − n·u) · Σ|vᵢ||wᵢ|, and Σ|vᵢ||wᵢ| ≤ ‖v‖‖w‖
    (Higham, Accuracy and Stability of Numerical Algorithms). 32 more roundings cover `exact_dot` and
    comparisons in `dtype`; the last term covers underflow, even if flushed to zero.
    """
    limits = torch.finfo(dtype)
    terms = (min(width, _INNER) + width // _INNER + 32) * limits.eps / 2
    largest = row_norms.max()
    tiny = 4 * width * limits.tiny * (1 + vector_norms) * (1 + largest)
    bound = terms / (1 - terms) * vector_norms * largest + tiny
    return bound.where((vector_norms > 0) & (largest > 0), 0)  # zeros multiply exactly


def norm_bounds(rows: Tensor, what: str) -> Tensor:
    """Upper bounds of the lengths of rows[R, D], float64[R]; 0 only for a row of zeros.

    Raises `DivergedError` if a number is not finite; `what` names the rows in the message.
    """
    dtype = torch.promote_types(rows.dtype, torch.float32)
    limits = torch.finfo(dtype)
    width = rows.shape[1]
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=dtype).double()
    bounds: Tensor = norms * (1 + (width + 8) * limits.eps) + sqrt(width * limits.tiny)
    zero = (norms == 0).nonzero()[:, 0]
    bounds[zero[(rows[zero] == 0).all(dim=1)]] = 0
    wild = (~norms.isfinite()).nonzero()[:, 0]
    # Rows whose sum of squares is not finite: with huge numbers, or with NaN.
    broken = wild[~rows[wild].isfinite().all(dim=1)]
    if len(broken):
        raise DivergedError(
            f"{len(broken)} of {len(rows)} {what} are not finite numbers, the first in row {int(broken[0])}; "
            "nothing can be ranked by them: go back to an earlier checkpoint or lower the learning rate"
        )
    bounds[wild] = rows[wild].double().abs().amax(dim=1).mul(sqrt(width) * 1.001)
    return bounds


def exact_dot(vectors: Tensor, rows: Tensor, owner: Tensor, column: Tensor) -> Tensor:
    """vectors[owner] · rows[column] for P pairs, float64[P]: *the* score, wherever scores are compared.

    A score depends only on its two vectors, bit for bit: not on P, its position, threads or device. Products
    are float64 (exact for float32 vectors) and are added in a fixed tree.
    """
    if len(owner) <= _MANY * len(rows):
        return _pairwise(vectors, rows, owner, column)
    pairs, place = (owner * len(rows) + _first_identical(rows)[column]).unique(return_inverse=True)
    return _pairwise(vectors, rows, pairs // len(rows), pairs % len(rows))[place]


def _pairwise(vectors: Tensor, rows: Tensor, owner: Tensor, column: Tensor) -> Tensor:
    scores = torch.empty(len(owner), dtype=torch.float64, device=vectors.device)
    block = max(1, _PAIR_NUMBERS // max(1, vectors.shape[1]))
    for out, users, items in zip(*(torch.split(x, block) for x in (scores, owner, column)), strict=True):
        out.copy_(_tree_sum(vectors[users].double().mul_(rows[items])))
    return scores


def _tree_sum(terms: Tensor) -> Tensor:
    """Sums of terms[P, D] over D, in an order that depends only on D; overwrites `terms`."""
    while terms.shape[1] > 1:
        keep = (terms.shape[1] + 1) // 2
        terms[:, : terms.shape[1] - keep] += terms[:, keep:]
        terms = terms[:, :keep]
    return terms.sum(dim=1)


def _first_identical(rows: Tensor) -> Tensor:
    """For each of rows[R, D], the number of the first row equal to it, int64[R]."""
    number = torch.arange(len(rows), device=rows.device)
    words = rows.contiguous().view(torch.int64 if rows.element_size() == 8 else torch.int32)
    odd = torch.arange(1, 2 * rows.shape[1], 2, device=rows.device) * 0x1E3779B97F4A7C15  # wraps: a hash
    _, group = (words * odd).sum(dim=1).unique(return_inverse=True)
    first = torch.full_like(number, len(rows)).scatter_reduce(0, group, number, "amin")[group]
    return first.where((rows == rows[first]).all(dim=1), number)  # a collision is left alone


def split_by_tile(owner: Tensor, column: Tensor, tile: int, columns: int) -> list[tuple[Tensor, Tensor]]:
    """Pairs grouped by the tile of their column: per tile (owner, column within the tile)."""
    number = column // tile
    order = number.argsort(stable=True)
    sizes = number.bincount(minlength=-(-columns // tile)).tolist()
    owners, columns_within = owner[order].split(sizes), (column % tile)[order].split(sizes)
    return list(zip(owners, columns_within, strict=True))
