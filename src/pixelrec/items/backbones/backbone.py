"""The interface of picture networks: pixels in, features out, and a cut at every depth.

A network is a sequence of parts, `stem, block 1 … block n, head`, each from one tensor to one tensor. It can
be cut between any two of them: the output of the lower part is one tensor, the state, and
`upper(lower(pixels)) == forward(pixels)`. Boundary b lies above the b lowest parts: 0 is the pixels, n + 2
the features.

Shapes: B pictures of S × S pixels, T tokens or positions, W the width of the features.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from pixelrec.items.backbones.depth import boundary_of
from pixelrec.items.backbones.picture_input import PictureInput
from pixelrec.items.backbones.recomputation import recomputed


@dataclass(frozen=True)
class Anatomy:
    """The parts of a network; every module takes one tensor and returns one.

    `head` returns the features: B, W, or B, T, W with token pooling.
    """

    stem: nn.Module  # normalised pixels B, 3, S, S → state
    blocks: Sequence[nn.Module]  # state → state
    head: nn.Module  # state → features
    stages: Sequence[int] = ()  # blocks of each stage; empty if the network has none


@dataclass(frozen=True)
class Provenance:
    """The origin of the weights."""

    source: str  # a folder or a name on the hub; empty: made from sizes
    revision: str | None  # commit on the hub, or "sha256:…" of local weights; none: random weights

    @property
    def commit(self) -> str | None:
        """The commit, if the weights are from the hub."""
        return None if (self.revision or "sha256:").startswith("sha256:") else self.revision


@dataclass(frozen=True)
class Measurement:
    """For one picture through n parts: `shapes[b]` at boundary b, 0 … n, and `operations[i]` of part i."""

    shapes: tuple[tuple[int, ...], ...]
    operations: tuple[int, ...]  # floating-point operations of matrix products and convolutions


class AbstractBackbone(nn.Module, ABC):
    """A picture network whose lower part can be frozen, cut off and cached."""

    def __init__(self, anatomy: Anatomy, picture_input: PictureInput, provenance: Provenance) -> None:
        super().__init__()
        self.stem = anatomy.stem
        self.blocks = nn.ModuleList(anatomy.blocks)
        self.head = anatomy.head
        self.stages = tuple(anatomy.stages)
        self.input = picture_input
        self.provenance = provenance
        self.boundary = 0
        self.batch_statistics = True  # whether trained batch norms normalise by the batch
        self.recompute = False  # gradient checkpointing
        # Some parameters are constants by design, such as positions of ViT-MAE, and are never trained.
        self._learnable = frozenset(name for name, p in self.named_parameters() if p.requires_grad)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything needed to rebuild the network without its weights, as JSON."""

    @property
    def parts(self) -> list[nn.Module]:
        """Stem, blocks, head."""
        return [self.stem, *self.blocks, self.head]

    @property
    def width(self) -> int:
        """W, the width of the features."""
        return self.measurement.shapes[-1][-1]

    @property
    def widths(self) -> tuple[int, ...]:
        """The features' numbers from each depth that is read."""
        return (self.width,)

    def freeze(self, trainable: str) -> None:
        """Train only the parts given by `trainable` (see `depth`); the parts below stay in eval mode."""
        self.boundary = boundary_of(trainable, blocks=len(self.blocks), stages=self.stages)
        names = ["stem", *(f"blocks.{i}" for i in range(len(self.blocks))), "head"]
        depth = {f"{name}.": i for i, name in enumerate(names)}
        for name, parameter in self.named_parameters():
            part = next(i for start, i in depth.items() if name.startswith(start))
            parameter.requires_grad_(part >= self.boundary and name in self._learnable)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As usual, but frozen parts stay in eval mode.

        So do all batch norms without `batch_statistics`: then a picture's features do not depend on the
        other pictures of the batch.
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
        """The state at a boundary, by default above the frozen parts: B, *state_shape(boundary)."""
        return self._run(pixels, 0, self.boundary if boundary is None else boundary)

    def upper(self, state: Tensor, boundary: int | None = None) -> Tensor:
        """The features of pictures from their state at a boundary, by default above the frozen parts."""
        return self._run(state, self.boundary if boundary is None else boundary, len(self.parts))

    def _run(self, x: Tensor, start: int, stop: int) -> Tensor:
        for part in self.parts[start:stop]:
            x = self._through(part, x)
        return x

    def _through(self, part: nn.Module, x: Tensor) -> Tensor:
        # A frozen part may have trained corrections.
        trained = any(parameter.requires_grad for parameter in part.parameters())
        again = self.recompute and torch.is_grad_enabled() and trained
        return recomputed(part, x) if again else part(x)

    def state_shape(self, boundary: int) -> tuple[int, ...]:
        """The shape of one picture's state at the boundary."""
        return self.measurement.shapes[boundary]

    def state_bytes(self, boundary: int, dtype: torch.dtype = torch.float32) -> int:
        """The bytes of one picture's state at the boundary."""
        return math.prod(self.state_shape(boundary)) * dtype.itemsize

    def frozen_fraction(self, boundary: int) -> float:
        """The fraction of a forward pass's multiplications below the boundary: 0 … 1."""
        operations = self.measurement.operations
        return sum(operations[:boundary]) / max(1, sum(operations))

    @cached_property
    def measurement(self) -> Measurement:
        """Measured by pictures that pass through the parts on the meta device, without their weights."""
        shape: tuple[int, ...] = (3, self.input.size, self.input.size)
        dtype = next((p.dtype for p in self.parameters()), torch.float32)
        pictures = 2  # batch norms in training refuse a single value per channel
        x = torch.empty(pictures, *shape, device="meta", dtype=dtype)
        shapes, operations = [shape], []
        for part in self.parts:
            tensors = [*part.named_parameters(), *part.named_buffers()]
            empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                x = functional_call(part, empty, (x,))
            shapes.append(tuple(x.shape[1:]))
            operations.append(counter.get_total_flops() // pictures)
        return Measurement(tuple(shapes), tuple(operations))
