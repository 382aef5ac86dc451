"""From the tokens, or positions, of a picture to its features.

| pooling | features | shape |
|---|---|---|
| tokens | every token; the mean is taken after the projection | B, T, W |
| mean | the mean over all tokens, including a class token | B, W |
| cls | the class token | B, W |
| pooler | the network's own pooler | B, W |

T counts the tokens or positions of a picture, W is the width of the network.
"""

from __future__ import annotations

from math import isqrt
from typing import Literal, TypeAlias, final, get_args

from torch import Tensor, nn

from pixelrec.errors import RecipeError, nearest

Pooling: TypeAlias = Literal["tokens", "mean", "cls", "pooler"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


@final
class FirstToken(nn.Module):
    """B, T, W → B, W: the class token."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


@final
class MeanToken(nn.Module):
    """B, T, W → B, W."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1)


@final
class MapToTokens(nn.Module):
    """B, W, H, H → B, H·H, W: the positions of a map, row by row, as tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


def positions_of(state: Tensor) -> Tensor:
    """B, R, C of a map B, C, H, H or of tokens B, T, C, of which only patches, in a square, have a position.

    Class and register tokens are in front of them.
    """
    if state.dim() == 4:
        return state.flatten(2).transpose(1, 2)
    extra = state.shape[1] - isqrt(state.shape[1]) ** 2
    return state[:, extra:]


def pooled(tokens: nn.Module, pooling: Pooling, pooler: nn.Module | None) -> nn.Module:
    """The head of a network: `tokens`, from the last block's output to B, T, W, followed by `pooling`."""
    if pooling == "tokens":
        return tokens
    if pooling == "mean":
        return nn.Sequential(tokens, MeanToken())
    if pooling == "cls":
        return nn.Sequential(tokens, FirstToken())
    if pooler is None:
        raise RecipeError("items.pooling is pooler, and this network has none; choose mean or tokens")
    return nn.Sequential(tokens, pooler)


def checked(pooling: str | None, known: tuple[Pooling, ...], default: Pooling, network: str) -> Pooling:
    """The pooling of a recipe, by default the published one; `RecipeError` if unknown."""
    for word in known:
        if word == (pooling or default):
            return word
    raise RecipeError(
        f"items.pooling is {pooling!r}, which {network} does not have; {nearest(str(pooling), known)}"
    )
