"""A picture network read at many depths: the mean and the spread over positions after some of its parts.

Early layers see hue and texture, late ones objects. The numbers of all depths form one short row per picture,
which replaces the network's own features; what is trained over frozen rows costs no more than a table of ids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.backbone import AbstractBackbone, Anatomy, Measurement
from pixelrec.items.backbones.pooling import positions_of

Depths: TypeAlias = "str | Sequence[int | str]"
"""`all`: the stem, each block, and last, the features; `blocks`: all but last; or a list of stem, numbers of
blocks from 1, and last."""

ALL, BLOCKS, LAST = "all", "blocks", "last"
_LEAST_VARIANCE = 1e-12  # the gradient of a deviation of 0 is not finite


@final
class Deep(AbstractBackbone):
    """A network whose features are its row: per depth, the means of channels, then their deviations.

    A depth with one vector per picture has no deviations. Parts above the deepest one are dropped. The state
    at a boundary is flat: the row of the depths below it, followed by the network's own state there if a
    depth above it is read. So all parts may be frozen, with the row as the cached state, or only lower ones.

    Raises:
        RecipeError: the network has no such depth.
    """

    def __init__(self, network: AbstractBackbone, depths: Depths, *, spread: bool = True) -> None:
        count = len(network.blocks)
        read = _parts_of(depths, count)
        top = read[-1]
        kept = list(network.blocks)[: min(top, count)]
        sums = accumulate(network.stages)
        anatomy = Anatomy(
            stem=network.stem,
            blocks=kept,
            head=network.head if top > count else nn.Identity(),
            stages=[n for n, stop in zip(network.stages, sums, strict=True) if stop <= len(kept)],
        )
        super().__init__(anatomy, network.input, network.provenance)
        self.spread, self._read, self._top = spread, read, top
        self._described, self._inner = network.describe(), network.measurement
        for part in self._read:
            _demand_positions(self._inner.shapes[part + 1], part)

    def describe(self) -> dict[str, Any]:
        words = [_word(part, len(self._inner.operations) - 2) for part in self._read]
        return {**self._described, "depths": words, "spread": self.spread}

    @property
    def widths(self) -> tuple[int, ...]:
        """The numbers of the row from each depth."""
        return tuple(self._numbers(part) for part in self._read)

    def _numbers(self, part: int) -> int:
        shape = self._inner.shapes[part + 1]
        channels = shape[0] if len(shape) == 3 else shape[-1]
        return channels * (2 if self.spread and len(shape) > 1 else 1)

    def _below(self, boundary: int) -> int:
        """The numbers of the row from depths below a boundary."""
        return sum(self._numbers(part) for part in self._read if part < boundary)

    @cached_property
    def measurement(self) -> Measurement:
        inner, parts = self._inner, len(self.parts)
        shapes = [inner.shapes[0]]
        for boundary in range(1, parts + 1):
            rest = math.prod(inner.shapes[boundary]) if boundary <= self._top else 0
            shapes.append((self._below(boundary) + rest,))
        done = [n if part <= self._top else 0 for part, n in enumerate(inner.operations[:parts])]
        return Measurement(tuple(shapes), tuple(done))

    def _run(self, x: Tensor, start: int, stop: int) -> Tensor:
        rows = []
        if start:
            below = self._below(start)
            rows.append(x[:, :below])
            if start <= self._top:
                x = x[:, below:].unflatten(1, self._inner.shapes[start])
        for part in range(start, min(stop, self._top + 1)):
            x = self._through(self.parts[part], x)
            if part in self._read:
                rows.append(self._pooled(x))
        if stop == 0:
            return x
        return torch.cat([*rows, x.flatten(1)] if stop <= self._top else rows, 1)

    def _pooled(self, state: Tensor) -> Tensor:
        """B, numbers; in fp32 at least, as sums over many positions lose digits."""
        if state.dim() == 2:
            return state
        positions = positions_of(state.double() if state.dtype == torch.float64 else state.float())
        mean = positions.mean(1, keepdim=True)
        if not self.spread:
            return mean[:, 0]
        # In two passes: var_mean takes 20 times as long on a CPU.
        variance = (positions - mean).square().mean(1)
        return torch.cat([mean[:, 0], variance.clamp(min=_LEAST_VARIANCE).sqrt()], 1)


def _parts_of(depths: Depths, blocks: int) -> tuple[int, ...]:
    """The numbers of the parts that are read, from the lowest; `RecipeError` if there is no such part."""
    if depths in (ALL, BLOCKS):
        return tuple(range(blocks + (2 if depths == ALL else 1)))
    words = [word.strip() for word in depths.split(",")] if isinstance(depths, str) else list(depths)
    known = {"stem": 0, **{str(n): n for n in range(1, blocks + 1)}, LAST: blocks + 1}
    for word in words:
        if isinstance(word, bool) or str(word) not in known:
            raise RecipeError(
                f"items.depths has {word!r}; expected {ALL}, {BLOCKS}, or some of stem, 1 to {blocks} "
                f"and {LAST}; {nearest(str(word), [ALL, BLOCKS, *known])}"
            )
    if not words:
        raise RecipeError("items.depths is empty; expected all, blocks, or a list such as [3, 7, last]")
    return tuple(sorted({known[str(word)] for word in words}))


def _word(part: int, blocks: int) -> int | str:
    return {0: "stem", blocks + 1: LAST}.get(part, part)


def _demand_positions(shape: Sequence[int], part: int) -> None:
    if len(shape) == 2 and shape[0] == 1:
        raise RecipeError(
            f"block {part} is computed for the class token alone, as that is items.pooling; set it to mean"
        )
