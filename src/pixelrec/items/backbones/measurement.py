"""Shapes and cost of a network's parts, on the meta device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Measurement:
    """For one picture through n parts: `shapes[b]` at boundary b, 0 … n, and `operations[i]` of part i."""

    shapes: tuple[tuple[int, ...], ...]
    operations: tuple[int, ...]  # floating-point operations of matrix products and convolutions

    def numbers(self, boundary: int) -> int:
        """The numbers of a picture's state at the boundary."""
        return math.prod(self.shapes[boundary])

    def fraction_below(self, boundary: int) -> float:
        """The fraction of all operations in the parts below the boundary."""
        return sum(self.operations[:boundary]) / max(1, sum(self.operations))


def measure(parts: Sequence[nn.Module], shape: tuple[int, ...]) -> Measurement:
    """Pass pictures of that shape through the parts on the meta device, without their weights."""
    dtype = next((p.dtype for part in parts for p in part.parameters()), torch.float32)
    pictures = 2  # batch norms in training refuse a single value per channel
    x = torch.empty(pictures, *shape, device="meta", dtype=dtype)
    shapes, operations = [shape], []
    for part in parts:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            x = functional_call(part, _without_content(part), (x,))
        shapes.append(tuple(x.shape[1:]))
        operations.append(counter.get_total_flops() // pictures)
    return Measurement(tuple(shapes), tuple(operations))


def _without_content(part: nn.Module) -> dict[str, Tensor]:
    tensors = [*part.named_parameters(), *part.named_buffers()]
    return {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
