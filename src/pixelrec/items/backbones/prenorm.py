"""A pre-norm transformer block taken apart, and its weights folded until only products remain.

x + λ₁ · attention(norm₁ x), then the same with λ₂, norm₂ and two linear layers around an activation. What a
norm scales and shifts, what λ scales, and the constants of attention and activation are all linear: folded
into the weights beside them they cost nothing a token, and the gradient of norm₁ needs no product of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEEPNESS = 1.702  # of quick_gelu
ACTIVATIONS = ("gelu", "gelu_pytorch_tanh", "quick_gelu")
Tensors: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True)
class Form:
    """What a block computes, beside its weights."""

    heads: int
    activation: str
    epsilons: tuple[float, float]  # of the norms


@dataclass(frozen=True)
class PreNormParts:
    """Modules of a block of width W, and what they do not say themselves."""

    norms: tuple[nn.Module, nn.Module]
    attend: tuple[nn.Module, ...]  # query, key, value, out: linear
    inner: tuple[nn.Module, nn.Module]  # widen, narrow: linear
    heads: int
    activation: str
    kernel: str  # of attention: eager or sdpa
    dropout: float  # the largest
    scales: Tensors = ()  # λ₁ and λ₂

    @property
    def plain(self) -> bool:
        """Whether that is all there is to it: LoRA, for one, replaces linear layers."""
        linears = (*self.attend, *self.inner)
        simple = all(type(m) is nn.Linear and m.bias is not None for m in linears)
        normed = all(type(m) is nn.LayerNorm and m.elementwise_affine for m in self.norms)
        square = all(m.in_features == m.out_features for m in self.attend)
        return simple and normed and square and self.dropout == 0 and self.activation in ACTIVATIONS

    @property
    def form(self) -> Form:
        """What is no tensor."""
        first, second = self.norms
        return Form(self.heads, self.activation, (first.eps, second.eps))  # type: ignore[arg-type]

    def tensors(self) -> Tensors:
        """Parameters, in the order that `fold` takes."""
        modules = (*self.norms, *self.attend, *self.inner)
        pairs = [tensor for module in modules for tensor in (module.weight, module.bias)]
        return (*pairs, *self.scales)  # type: ignore[arg-type]


PartsOf: TypeAlias = Callable[
    [Any], PreNormParts | None
]  # of a layer of transformers; none: it is another kind


class Affine(NamedTuple):
    """A linear layer."""

    weight: Tensor  # out, in
    bias: Tensor  # out


class Folded(NamedTuple):
    """A block between standardised tokens; I is the inner width."""

    attend: Affine  # W → 3W: query, key, value
    out: Affine  # W → W
    widen: Affine  # W → I
    narrow: Affine  # I → W

    @classmethod
    def of(cls, tensors: list[Tensor]) -> Folded:
        """The inverse of `list`."""
        return cls(*(Affine(*pair) for pair in zip(tensors[::2], tensors[1::2], strict=True)))

    def list(self) -> list[Tensor]:
        """Weights and biases in turn."""
        return [tensor for affine in self for tensor in affine]


def fold(tensors: Tensors, form: Form) -> Folded:
    """One linear layer for query, key and value; no scales and no constants. Differentiable."""
    scale1, shift1, scale2, shift2 = tensors[:4]
    query, query_bias, key, key_bias, value, value_bias = tensors[4:10]
    out, out_bias, widen, widen_bias, narrow, narrow_bias = tensors[10:16]
    cool = (len(query) // form.heads) ** -0.5
    attend = torch.cat([query * cool, key, value])
    attend_bias = torch.cat([query_bias * cool, key_bias, value_bias])
    # quick_gelu(x) is silu(1.702 x) / 1.702, and silu is one pass.
    steep = STEEPNESS if form.activation == "quick_gelu" else 1.0
    if tensors[16:]:
        first, second = tensors[16:]
        out, out_bias = out * first[:, None], out_bias * first
        narrow, narrow_bias = narrow * second[:, None], narrow_bias * second
    return Folded(
        Affine(attend * scale1, attend_bias + attend @ shift1),
        Affine(out, out_bias),
        Affine(widen * (scale2 * steep), (widen_bias + widen @ shift2) * steep),
        Affine(narrow / steep, narrow_bias),
    )


def activated(x: Tensor, activation: str) -> Tensor:
    """The activation as transformers calls it."""
    if activation == "quick_gelu":
        return x * torch.sigmoid(STEEPNESS * x)
    return F.gelu(x, approximate=approximation(activation))


def approximation(activation: str) -> str:
    """Of gelu."""
    return "tanh" if activation == "gelu_pytorch_tanh" else "none"
