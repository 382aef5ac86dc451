"""The contract of picture networks: pixels in, features out, and a cut at every depth.

A network is a row of parts, `stem, block 1 … block n, head`, each from one tensor to one tensor. Between any
two of them it can be cut: what the lower part computes is one tensor, the state, and
`upper(lower(pixels)) == forward(pixels)`. Boundary b lies above the b lowest parts: 0 is the pixels, n + 2
the features.

Shapes: B pictures of S × S pixels, T tokens or positions, W the width of the features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pixelrec.items.backbones.depth import boundary_of
from pixelrec.items.backbones.measurement import Measurement, measure
from pixelrec.items.backbones.picture_input import PictureInput
from pixelrec.items.backbones.recomputation import recomputed


@dataclass(frozen=True)
class Anatomy:
    """A network taken apart; every module is called with one tensor and returns one.

    `head` ends in the features: B, W, or B, T, W where every token is wanted.
    """

    stem: nn.Module  # normalised pixels B, 3, S, S → state
    blocks: Sequence[nn.Module]  # state → state
    head: nn.Module  # state → features
    stages: Sequence[int] = ()  # how many blocks each stage has; none: the network has no stages


@dataclass(frozen=True)
class Provenance:
    """Where the weights come from."""

    source: str  # a folder or a name on the hub; empty: made up from sizes
    revision: str | None  # the hub's commit, or "sha256:…" of local weights; none: random weights


class AbstractBackbone(nn.Module, ABC):
    """A picture network whose lower part can be frozen, cut off and cached.

    Args:
        anatomy: its parts.
        picture_input: what it eats.
        provenance: where its weights come from.
    """

    def __init__(self, anatomy: Anatomy, picture_input: PictureInput, provenance: Provenance) -> None:
        super().__init__()
        self.stem = anatomy.stem
        self.blocks = nn.ModuleList(anatomy.blocks)
        self.head = anatomy.head
        self.stages = tuple(anatomy.stages)
        self.input = picture_input
        self.provenance = provenance
        self.boundary = 0
        self.batch_statistics = True  # of batch norms that are trained; else those of pretraining stay
        self.recompute = False  # gradient checkpointing: inner activations are computed again in backward
        # Some parameters are constants by design (positions of ViT-MAE): they stay so at any depth.
        self._learnable = frozenset(name for name, p in self.named_parameters() if p.requires_grad)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """All it takes to rebuild the network without its weights, as JSON knows it."""

    @property
    def parts(self) -> list[nn.Module]:
        """Stem, blocks, head."""
        return [self.stem, *self.blocks, self.head]

    @property
    def width(self) -> int:
        """W, of the features."""
        return self.measurement.shapes[-1][-1]

    def freeze(self, word: str) -> None:
        """Train what the depth word says (see `depth`), and only that; what is below stays in eval mode.

        Raises:
            RecipeError: no such depth in this network.
        """
        self.boundary = boundary_of(word, blocks=len(self.blocks), stages=self.stages)
        depth = {f"{name}.": i for i, name in enumerate(self._names())}
        for name, parameter in self.named_parameters():
            part = next(i for start, i in depth.items() if name.startswith(start))
            parameter.requires_grad_(part >= self.boundary and name in self._learnable)
        self.train(self.training)

    def _names(self) -> list[str]:
        return ["stem", *(f"blocks.{i}" for i in range(len(self.blocks))), "head"]

    def train(self, mode: bool = True) -> Self:
        """As ever, but frozen parts are constants: their batch norms and dropouts stay in eval mode.

        So do batch norms that are trained, unless `batch_statistics` are wanted: then a picture's features do
        not depend on which others are in the batch.
        """
        super().train(mode)
        for part in self.parts[: self.boundary]:
            part.eval()
        if not self.batch_statistics:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Features, B, W or B, T, W, of normalised pixels B, 3, S, S."""
        return self._run(pixels, 0, len(self.parts))

    def lower(self, pixels: Tensor, boundary: int | None = None) -> Tensor:
        """The state at a boundary, by default above what is frozen: B, *state_shape(boundary)."""
        return self._run(pixels, 0, self.boundary if boundary is None else boundary)

    def upper(self, state: Tensor, boundary: int | None = None) -> Tensor:
        """The features of pictures whose state at the boundary is known."""
        return self._run(state, self.boundary if boundary is None else boundary, len(self.parts))

    def _run(self, x: Tensor, start: int, stop: int) -> Tensor:
        for part in self.parts[start:stop]:
            again = self.recompute and torch.is_grad_enabled() and _is_trained(part)
            x = recomputed(part, x) if again else part(x)
        return x

    def state_shape(self, boundary: int) -> tuple[int, ...]:
        """Shape of one picture's state at the boundary."""
        return self.measurement.shapes[boundary]

    def state_bytes(self, boundary: int, dtype: torch.dtype = torch.float32) -> int:
        """What it takes to keep one picture's state at the boundary."""
        return self.measurement.numbers(boundary) * dtype.itemsize

    def frozen_share(self, boundary: int) -> float:
        """Share of a forward pass's multiplications that lies below the boundary: 0 … 1."""
        return self.measurement.share_below(boundary)

    @cached_property
    def measurement(self) -> Measurement:
        """Shape at every boundary and operations of every part, for one picture."""
        return measure(self.parts, (3, self.input.size, self.input.size))


def _is_trained(part: nn.Module) -> bool:
    """Whether anything in it is: corrections to a frozen part are."""
    return any(parameter.requires_grad for parameter in part.parameters())
