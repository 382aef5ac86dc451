"""Forward and backward of a folded pre-norm block, a few pictures at a time so that they stay in the cache.

Of every picture it keeps what matrix products of the backward pass read, in the dtype in which they read it;
what one cheap pass over that gives, it computes again. Shapes: n pictures, s of them at a time, T tokens,
H heads of width d, W = H · d, I the inner width.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pixelrec.items.backbones.prenorm import Affine, Folded, Form, PreNormParts, approximation, fold

ROWS = 1600  # tokens at a time: their inner values are about 10 MB in bf16


def attend_and_transform(x: Tensor, parts: PreNormParts, dtype: torch.dtype) -> Tensor:
    """What the block makes of x: n, T, W → n, T, W. Products are computed in `dtype`, sums in that of x."""
    tensors = parts.tensors()
    if torch.is_grad_enabled():
        return PreNormFunction.apply(x, parts.form, dtype, *tensors)  # type: ignore[no-untyped-call]
    return _forward(x, _cast(fold(tensors, parts.form), dtype), parts.form, None)


class Kept(NamedTuple):
    """For the backward pass."""

    first: Tensor  # n, T, W: standardised
    first_rate: Tensor  # n, T, 1: one over the standard deviation
    heads: Tensor  # 3, n, H, T, d
    weights: Tensor  # n, H, T, T: of attention
    second: Tensor  # n, T, W
    second_rate: Tensor  # n, T, 1
    inner: Tensor  # n, T, I: before the activation

    def some(self, part: slice) -> Kept:
        """Of some pictures."""
        first, first_rate, heads, *rest = self
        return Kept(first[part], first_rate[part], heads[:, part], *(tensor[part] for tensor in rest))


@final
class PreNormFunction(torch.autograd.Function):
    """`apply(x, form, dtype, *tensors)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, form: Form, dtype: torch.dtype, *tensors: Tensor) -> Tensor:
        folded = _cast(fold(tensors, form), dtype)
        if not any(ctx.needs_input_grad):
            return _forward(x, folded, form, None)
        kept = _room(x, folded, form, len(x))
        ctx.save_for_backward(*tensors, *kept)
        ctx.form, ctx.dtype, ctx.count = form, dtype, len(tensors)
        return _forward(x, folded, form, kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        kept = Kept(*saved[ctx.count :])
        leaves = [tensor.detach().requires_grad_() for tensor in saved[: ctx.count]]
        with torch.enable_grad():
            exact = fold(tuple(leaves), ctx.form)
        folded = _cast(exact, ctx.dtype)
        learns = any(ctx.needs_input_grad[3:])
        sums = Folded.of([torch.zeros_like(tensor) for tensor in exact.list()]) if learns else None
        dx = torch.empty(dy.shape, dtype=dy.dtype) if ctx.needs_input_grad[0] else None
        for part in _parts(dy):
            into = None if dx is None else dx[part]
            _backward_some(dy[part], folded, ctx.form, kept.some(part), sums, into)
        found = torch.autograd.grad(exact.list(), leaves, sums.list()) if sums else [None] * ctx.count
        return (dx, None, None, *found)


def _cast(folded: Folded, dtype: torch.dtype) -> Folded:
    return Folded.of([tensor.detach().to(dtype) for tensor in folded.list()])


def _at_once(x: Tensor) -> int:
    return max(1, ROWS // x.shape[1])


def _parts(x: Tensor) -> list[slice]:
    at_once = _at_once(x)
    return [slice(start, min(start + at_once, len(x))) for start in range(0, len(x), at_once)]


def _room(x: Tensor, folded: Folded, form: Form, n: int) -> Kept:
    _, T, W = x.shape
    H, dtype = form.heads, folded.attend.weight.dtype
    shapes = ((n, T, W), (3, n, H, T, W // H), (n, H, T, T), (n, T, W), (n, T, len(folded.widen.weight)))
    sizes = [math.prod(shape) for shape in shapes]
    # One piece of memory: many small ones, freed in another order, leave holes.
    whole = torch.empty(sum(sizes), dtype=dtype)
    first, heads, weights, second, inner = (
        part.view(shape) for part, shape in zip(whole.split(sizes), shapes, strict=True)
    )
    rates = torch.empty(2, n, T, 1, dtype=x.dtype)
    return Kept(first, rates[0], heads, weights, second, rates[1], inner)


def _forward(x: Tensor, folded: Folded, form: Form, kept: Kept | None) -> Tensor:
    """Fills `kept`, or forgets."""
    y = torch.empty(x.shape, dtype=x.dtype)
    room = _room(x, folded, form, min(_at_once(x), len(x))) if kept is None else kept
    for part in _parts(x):
        where = slice(part.stop - part.start) if kept is None else part
        _forward_some(x[part], folded, form, room.some(where), y[part])
    return y


def _forward_some(x: Tensor, folded: Folded, form: Form, kept: Kept, y: Tensor) -> None:
    """Fills `kept` and `y`."""
    s, T, W = x.shape
    _standardise(x, form.epsilons[0], kept.first, kept.first_rate)
    heads = _applied(folded.attend, _rows(kept.first))
    kept.heads.copy_(heads.view(s, T, 3, form.heads, -1).permute(2, 0, 3, 1, 4))
    query, key, _ = kept.heads.flatten(1, 2)
    torch.softmax(torch.bmm(query, key.mT), -1, out=kept.weights.flatten(0, 1))
    middle = x + _applied(folded.out, _seen(kept)).view(s, T, W)
    _standardise(middle, form.epsilons[1], kept.second, kept.second_rate)
    inner = _rows(kept.inner)
    torch.addmm(folded.widen.bias, _rows(kept.second), folded.widen.weight.mT, out=inner)
    torch.add(middle, _applied(folded.narrow, _activated(inner, form)).view(s, T, W), out=y)


def _backward_some(
    dy: Tensor, folded: Folded, form: Form, kept: Kept, sums: Folded | None, dx: Tensor | None
) -> None:
    """Adds to `sums`, the gradients of the weights, and fills `dx`."""
    dtype, inner = folded.attend.weight.dtype, _rows(kept.inner)
    dout = _rows(dy).to(dtype)
    dinner = _unactivated(dout @ folded.narrow.weight, inner, form)
    dmiddle = dy + _unstandardised(dinner @ folded.widen.weight, kept.second, kept.second_rate)
    dseen = _rows(dmiddle).to(dtype)
    dheads = _attention_backward(dseen @ folded.out.weight, kept)
    if sums is not None:
        _add(sums.narrow, dout, _activated(inner, form))
        _add(sums.widen, dinner, _rows(kept.second))
        _add(sums.out, dseen, _seen(kept))
        _add(sums.attend, dheads, _rows(kept.first))
    if dx is not None:
        dfirst = _unstandardised(dheads @ folded.attend.weight, kept.first, kept.first_rate)
        torch.add(dmiddle, dfirst, out=dx)


def _attention_backward(dtokens: Tensor, kept: Kept) -> Tensor:
    """From what tokens see to what they ask, answer and show: s · T, W → s · T, 3W."""
    _, s, H, T, d = kept.heads.shape
    query, key, value = kept.heads.flatten(1, 2)
    weights = kept.weights.flatten(0, 1)
    dseen = dtokens.view(s, T, H, d).transpose(1, 2).reshape(s * H, T, d)
    dweights = torch.bmm(dseen, value.mT)
    dscores = torch._softmax_backward_data(dweights, weights, -1, weights.dtype)
    dheads = dtokens.new_empty(s, T, 3, H, d)
    for i, gradient in enumerate((dscores @ key, dscores.mT @ query, weights.mT @ dseen)):
        dheads[:, :, i].copy_(gradient.view(s, H, T, d).transpose(1, 2))
    return dheads.view(s * T, -1)


def _seen(kept: Kept) -> Tensor:
    """The values that every token sees, of all heads: s · T, W."""
    s, H, T, _ = kept.weights.shape
    seen = torch.bmm(kept.weights.flatten(0, 1), kept.heads[2].flatten(0, 1))
    return seen.view(s, H, T, -1).transpose(1, 2).reshape(s * T, -1)


def _rows(x: Tensor) -> Tensor:
    return x.flatten(0, 1)


def _applied(linear: Affine, x: Tensor) -> Tensor:
    return torch.addmm(linear.bias, x, linear.weight.mT)


def _standardise(x: Tensor, epsilon: float, standard: Tensor, rate: Tensor) -> None:
    found, _, rates = torch.native_layer_norm(x, x.shape[-1:], None, None, epsilon)
    standard.copy_(found)
    rate.copy_(rates)


def _unstandardised(gradient: Tensor, standard: Tensor, rate: Tensor) -> Tensor:
    """The gradient of what was standardised, in the dtype of `rate`."""
    g, x = gradient.view_as(standard).to(rate.dtype), standard.to(rate.dtype)
    zero, one = torch.zeros_like(rate), torch.ones_like(rate)
    found, _, _ = torch.ops.aten.native_layer_norm_backward(
        g, x, x.shape[-1:], zero, one, None, None, [True, False, False]
    )
    return found.mul_(rate)


def _add(sums: Affine, gradient: Tensor, x: Tensor) -> None:
    """A linear layer's gradients, summed in the dtype of `sums`, whatever that of the product."""
    sums.bias.add_(gradient.sum(0))
    if gradient.dtype == sums.weight.dtype:
        sums.weight.addmm_(gradient.mT, x)
    else:
        sums.weight.add_(gradient.mT @ x)


def _activated(x: Tensor, form: Form) -> Tensor:
    if form.activation == "quick_gelu":
        return F.silu(x)
    return F.gelu(x, approximate=approximation(form.activation))


def _unactivated(gradient: Tensor, x: Tensor, form: Form) -> Tensor:
    """Overwrites `gradient`."""
    backward = torch.ops.aten
    if form.activation == "quick_gelu":
        return backward.silu_backward.grad_input(gradient, x, grad_input=gradient)
    kind = approximation(form.activation)
    return backward.gelu_backward.grad_input(gradient, x, approximate=kind, grad_input=gradient)
