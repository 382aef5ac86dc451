"""Sources of a picture encoder's input: the picture store, the activation cache, or a device's memory.

Each loads on the threads of the batcher as much as possible, and finishes on the device of training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Payload
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.cache.store import Activations
from pixelrec.items.pictures import Pictures


class AbstractFeed(ABC):
    """States of items at one boundary of a network."""

    row_bytes: int  # loaded per item
    cpu_seconds = 0.0  # that computing the stored states took
    stored = True  # whether states have the dtype of a store instead of that of the computation

    @abstractmethod
    def load(self, numbers: np.ndarray) -> Payload:
        """Tensors of n rows for item numbers n, none of them 0; called on threads."""

    @abstractmethod
    def states(self, payload: Payload, some: slice) -> Tensor:
        """States of some of the loaded items, on the device of the payload, in the stored dtype."""


@final
class PictureFeed(AbstractFeed):
    """uint8 pictures, normalised and sent through the network's constant part on the device."""

    stored = False

    def __init__(self, pictures: Pictures, backbone: AbstractBackbone, boundary: int) -> None:
        self.pictures, self.backbone, self.boundary = pictures, backbone, boundary
        self.row_bytes = 3 * backbone.input.size**2

    def load(self, numbers: np.ndarray) -> Payload:
        return {"pictures": self.pictures.read(numbers)}

    def states(self, payload: Payload, some: slice) -> Tensor:
        return lower_states(self.backbone, self.boundary, payload["pictures"][some])


@final
class CacheFeed(AbstractFeed):
    """States from the memory-mapped cache."""

    def __init__(self, activations: Activations) -> None:
        self.activations, self.row_bytes = activations, activations.key.state_bytes
        self.cpu_seconds = activations.cpu_seconds

    def load(self, numbers: np.ndarray) -> Payload:
        return {"states": self.activations.read(numbers)}

    def states(self, payload: Payload, some: slice) -> Tensor:
        return payload["states"][some]


@final
class ResidentFeed(AbstractFeed):
    """States of all items, in the memory of the device."""

    def __init__(self, states: Tensor, cpu_seconds: float = 0.0) -> None:
        self.held, self.row_bytes, self.cpu_seconds = states, states[0].nbytes, cpu_seconds

    def load(self, numbers: np.ndarray) -> Payload:
        return {"numbers": torch.from_numpy(numbers)}

    def states(self, payload: Payload, some: slice) -> Tensor:
        return self.held[payload["numbers"][some]]


def lower_states(backbone: AbstractBackbone, boundary: int, pictures: Tensor) -> Tensor:
    """States at the boundary of pictures uint8 n, S, S, 3, without a gradient: the part below is constant."""
    dtype = next(backbone.parameters()).dtype
    with torch.no_grad():
        return backbone.lower(backbone.input.normalise(pictures, dtype), boundary)
