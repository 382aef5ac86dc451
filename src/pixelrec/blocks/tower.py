"""Stacks of linear layers: towers over vectors, and heads over a first layer of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from pixelrec.blocks.dropout import Dropout
from pixelrec.errors import RecipeError


def tower(width: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Vectors (R, width) → (R, widths[-1]); each layer is dropout → linear → batch norm → tanh."""
    check_widths("users.towers", widths)
    layers: list[nn.Module] = []
    for before, after in pairwise((width, *widths)):
        linear = xavier_normal(nn.Linear(before, after))
        layers += [Dropout(dropout), linear, nn.BatchNorm1d(after), nn.Tanh()]
    return nn.Sequential(*layers)


def head(widths: Sequence[int], activation: type[nn.Module], dropout: float, *, bias: bool) -> nn.Sequential:
    """The output of a first layer (…, widths[0]) → a number (…, 1): activations between linear layers.

    widths: of the first and the following layers. dropout: before each layer. bias: of the last layer.
    """
    layers: list[nn.Module] = [activation()]
    for before, after in pairwise(widths):
        layers += [Dropout(dropout), xavier_normal(nn.Linear(before, after)), activation()]
    return nn.Sequential(*layers, Dropout(dropout), xavier_normal(nn.Linear(widths[-1], 1, bias=bias)))


def xavier_normal(linear: nn.Linear) -> nn.Linear:
    """The layer, with Xavier normal weights and zero bias (Glorot and Bengio 2010)."""
    nn.init.xavier_normal_(linear.weight)
    bias: Tensor | None = linear.bias
    if bias is not None:
        nn.init.zeros_(bias)
    return linear


def kaiming_normal(linear: nn.Linear) -> nn.Linear:
    """The layer, with Kaiming normal weights for a ReLU and zero bias (He et al. 2015)."""
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    bias: Tensor | None = linear.bias
    if bias is not None:
        nn.init.zeros_(bias)
    return linear


def check_widths(word: str, widths: Sequence[int], least: int = 0) -> None:
    """Raises `RecipeError` for fewer than `least` layers, or a layer without units."""
    if len(widths) < least or any(width < 1 for width in widths):
        raise RecipeError(
            f"{word} is {list(widths)}; expected the widths of at least {least} layers, each 1 or more"
        )
