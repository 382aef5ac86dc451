"""The interface of item encoders: items in, one row of the table per item out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.choices import OVER_PICTURES, Fit
from pixelrec.errors import RequestError
from pixelrec.items.work import Work
from pixelrec.registry import Registry

Log = Callable[[str], None]


@dataclass(frozen=True)
class PictureForm:
    """Square RGB pictures of `size` pixels a side; `fit` says how others become square."""

    size: int
    fit: Fit


class AbstractItemEncoder(nn.Module, ABC):
    """Turns items into rows of the table, without knowing users, histories or losses.

    The constructor is `Encoder(spec, *, hyperparameters)`; `load` may run on several threads at once. A
    picture network is a submodule called `backbone`: the optimiser has a learning rate and a decay for it.
    """

    has_content: bool = True  # whether vectors depend on more than the number of an item
    has_regions: ClassVar[bool] = False  # whether items have regions, for user models that need them
    width: int  # D
    work: Work = Work()

    def prepare(self, log: Log) -> None:  # noqa: B027 - most encoders need nothing
        """Checks and caches; called once before training, on the device of training."""

    def take_work(self) -> Work:
        """The work on pictures since the last call, `prepare` included."""
        found, self.work = self.work, Work()
        return found

    def load(self, ids: np.ndarray) -> Payload:  # noqa: ARG002
        """The tensors that `forward` needs beside the numbers of the items (U)."""
        return {}

    @abstractmethod
    def forward(self, items: Items) -> Tensor:
        """The table: U, D. Rows with id 0, and so row 0, are zero."""

    @property
    def content(self) -> AbstractItemEncoder:
        """The encoder that a fit trains: this one, or its part whose vectors come from content."""
        return self

    def over(self, stored: AbstractItemEncoder) -> AbstractItemEncoder:
        """This encoder with known vectors of its content, which stay as they are."""
        return stored

    def correct(self, rows: Tensor, vectors: Tensor, weights: Tensor) -> None:  # noqa: B027
        """Begins what is trained over the content at the way from its vectors to rows: both N + 1, D.

        weights: N + 1, from 0 to 1: the part of that way.
        """

    def load_regions(self, ids: np.ndarray) -> Tensor:
        """What `regions` needs of items (n), as `load`: n, R, C; zeros for padding."""
        raise NotImplementedError(f"{type(self).__name__} has no regions for {len(ids)} items")

    def regions(self, loaded: Tensor) -> Tensor:
        """n, R, D of n, R, C; called with the items of histories only."""
        raise NotImplementedError(f"{type(self).__name__} has no regions for {len(loaded)} items")

    def picture_form(self) -> PictureForm:
        """The form of the pictures for `unseen`; `RequestError` if the encoder does not use pictures."""
        raise RequestError(
            "this model's item vectors do not come from pictures, so it cannot encode a new one; train a "
            f"recipe over pixels, such as {OVER_PICTURES}"
        )

    def unseen(self, pictures: Tensor) -> Tensor:
        """Vectors (n, D) of new items from their pictures: uint8 n, S, S, 3; errors as `picture_form`."""
        form = self.picture_form()
        raise NotImplementedError(f"{type(self).__name__} takes {form} and does not encode {len(pictures)}")

    def pictured(self, ids: Tensor, pictures: Tensor) -> Tensor:  # noqa: ARG002
        """Vectors (n, D) of items `ids` as they would be with other pictures; else as `unseen`."""
        return self.unseen(pictures)

    @property
    def feature_width(self) -> int | None:
        """W of the rows that `from_features` takes; none if items do not come from rows of features alone."""
        return None

    def from_features(self, features: Tensor) -> Tensor:
        """Vectors (n, D) of new items from their rows (n, W), made as those of the feature file."""
        raise NotImplementedError(f"{type(self).__name__} does not encode {len(features)} rows of features")

    @property
    def rows_at_once(self) -> int:
        """Items of the catalogue that are loaded and encoded together."""
        return 8192

    @property
    def expensive(self) -> bool:
        """Whether encoding the catalogue is expensive enough to store its vectors in a file."""
        return False

    @property
    def reads(self) -> str:
        """Fingerprint of what vectors depend on beside weights, such as pictures; empty if nothing."""
        return ""

    def describe(self) -> dict[str, Any]:
        """What `rebuild` needs beside the hyperparameters, without access to sources: JSON."""
        return {}

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        """The encoder that `describe` described; its weights are loaded later.

        A description that is not empty is the second argument of the constructor.
        """
        return cls(spec, *([described] if described else []), **config)


ITEM_ENCODERS: Registry[AbstractItemEncoder] = Registry(
    "item encoder",
    "pixelrec.items",
    AbstractItemEncoder,  # type: ignore[type-abstract]
    {},
)
"""The encoders that recipes may name; `items/__init__.py` ships the package's own."""
