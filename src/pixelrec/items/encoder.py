"""What every item encoder is: items in, one row of the table each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.choices import Fit
from pixelrec.errors import RequestError

Log = Callable[[str], None]


@dataclass(frozen=True)
class PictureForm:
    """Square RGB pictures, and how a picture of another shape becomes square."""

    size: int  # pixels along a side
    fit: Fit


class AbstractItemEncoder(nn.Module, ABC):
    """Turns items into rows of the table. It cannot know about users, histories or losses.

    An encoder is built as `Encoder(facts, *, choices)`; `load` may run on several threads at once. A picture
    network inside it is a submodule called `backbone`: the optimiser gives it a rate and a decay of its own.
    """

    width: int  # D

    def prepare(self, log: Log) -> None:  # noqa: B027 - most encoders need nothing
        """Called once before training, on the device where it happens: checks and caches belong here.

        log: called with a line about what is done and why.
        """

    def load(self, ids: np.ndarray) -> Payload:  # noqa: ARG002
        """What `forward` needs beside the numbers of the items (U), as tensors."""
        return {}

    @abstractmethod
    def forward(self, items: Items) -> Tensor:
        """The table: U, D. Row 0 is zero, and so is every row whose id is 0."""

    def picture_form(self) -> PictureForm:
        """What pictures `unseen` takes.

        Raises:
            RequestError: none: this encoder does not look at pictures.
        """
        raise RequestError(
            "this model's item vectors do not come from pictures, so it can say nothing of a new one; "
            "train a recipe over pixels, such as sasrec-mobilenet"
        )

    def unseen(self, pictures: Tensor) -> Tensor:
        """Vectors (n, D) of items that no data set has, from their pictures: uint8 n, S, S, 3.

        Raises:
            RequestError: as `picture_form`.
        """
        form = self.picture_form()
        raise NotImplementedError(f"{type(self).__name__} takes {form} and does not encode {len(pictures)}")

    @property
    def rows_at_once(self) -> int:
        """How many items of the catalogue are loaded and encoded together."""
        return 8192

    @property
    def expensive(self) -> bool:
        """Whether encoding the catalogue costs so much that its vectors are worth a file."""
        return False

    @property
    def reads(self) -> str:
        """Fingerprint of what vectors depend on beside weights, such as pictures; empty: on nothing else."""
        return ""

    def describe(self) -> dict[str, Any]:
        """What it takes, besides its choices, to be built again without asking anybody: JSON."""
        return {}

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """The encoder that `describe` told of, with weights that are yet to be loaded."""
        return cls(spec, **config)
