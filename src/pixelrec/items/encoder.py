"""What every item encoder is: items in, one row of the table each out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor, nn

from pixelrec.batch import Items, Payload


class AbstractItemEncoder(nn.Module, ABC):
    """Turns items into rows of the table. It cannot know about users, histories or losses.

    An encoder is built as `Encoder(facts, *, choices)`; `load` may run on several threads at once.
    """

    width: int  # D

    def load(self, ids: np.ndarray) -> Payload:  # noqa: ARG002
        """What `forward` needs beside the numbers of the items (U), as tensors of U rows."""
        return {}

    @abstractmethod
    def forward(self, items: Items) -> Tensor:
        """The table: U, D. Row 0 is zero, and so is every row whose id is 0."""
