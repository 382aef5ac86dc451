"""Attention by PyTorch's fused kernel or in separate steps, whichever is faster on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelrec.blocks.dropout import Dropout
from pixelrec.errors import RecipeError


def demand_whole_heads(width: int, heads: int) -> None:
    """Raises `RecipeError` unless the heads divide the width of the table."""
    if width % heads:
        raise RecipeError(
            f"items.width {width} is no multiple of users.heads {heads}; choose heads that divide it"
        )


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
    """softmax(q kᵀ / √size + mask), with dropout, times v: B, heads, T, size.

    q: B, heads, T, size. k, v: B, heads, L, size. mask: broadcast to B, heads, T, L and added, without a
    gradient. Source: Vaswani et al. 2017, equation 1.
    """
    p = dropout.p if dropout.training else 0.0
    if steps_win(q, k.shape[2], p):
        return attend_in_steps(q, k, v, mask, dropout)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype), dropout_p=p)


def steps_win(q: Tensor, length: int, p: float) -> bool:
    """Whether separate steps are faster, according to benchmarks/attention.py; its ratios are fused / steps.

    The fused CPU kernel has no dropout: with dropout, 1.1 - 1.6 in fp32 and 1.1 - 3.3 in bf16, for L from 10
    to 200. Without: bf16 3 - 9 up to L 50, forward alone 1.0 - 2.2; fp32 1.3 - 1.7 up to L 20 with heads of
    at most 32, 0.9 - 1.1 with wider ones, and at most about 1 from L 50 on.
    """
    if q.device.type != "cpu":
        return False
    if p > 0:
        return True
    if q.dtype == torch.bfloat16:
        return length <= 128
    return q.dtype == torch.float32 and length <= 32 and q.shape[-1] <= 32


def attend_in_steps(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
    """As `attend`, in separate steps, with the cheap masks of `Dropout`."""
    B, heads, T, size = q.shape
    flat = mask.to(q.dtype).expand(B, heads, T, k.shape[2]).flatten(0, 1)
    # One call scales, multiplies and masks.
    scores = torch.baddbmm(flat, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=size**-0.5)
    mixed = dropout(scores.softmax(dim=-1)) @ v.flatten(0, 1)
    return mixed.unflatten(0, (B, heads))
