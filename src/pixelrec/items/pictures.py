"""The pictures of a data set's items, by item number."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import DatasetSpec
from pixelrec.choices import Control
from pixelrec.errors import ImageError, RequestError, command, some_of
from pixelrec.features.control import exchanged, noise_pictures
from pixelrec.images.store import PictureStore


@final
class Pictures:
    """The pictures of items 1 … N in the picture store, which is opened on first use.

    control: the option `items.control`.
    """

    def __init__(self, spec: DatasetSpec, control: Control = "none") -> None:
        self.spec, self.control = spec, control

    @cached_property
    def store(self) -> PictureStore:
        """Raises `ImageError` if no covers were packed, `RequestError` without a data set."""
        if self.spec.folder is None:
            raise RequestError(
                "item vectors come from pictures, and there is no data set; give it with --data"
            )
        if self.spec.covers is None:
            raise ImageError(
                f"{self.spec.folder} has no pictures: pack the covers of its items with "
                f"`{command('images', 'pack', 'COVERS', '--data', self.spec.folder)}`"
            )
        return PictureStore.open(self.spec.covers)

    @cached_property
    def ids(self) -> list[str]:
        """The id of item number r + 1, in row r."""
        return [] if self.spec.item_ids is None else list(self.spec.item_ids)

    @property
    def count(self) -> int:
        """N."""
        return len(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """Of all pictures of the data set, in order."""
        return self.store.fingerprint(self.ids)

    @property
    def read_fingerprint(self) -> str:
        """Of what `read` gives."""
        return f"random, in place of {self.fingerprint}" if self.control == "random" else self.fingerprint

    @property
    def digests(self) -> list[str]:
        """A digest of the picture of each item, in order; empty where that is unknown."""
        return self.store.digests(self.ids)

    def read(self, numbers: np.ndarray) -> Tensor:
        """uint8 n, S, S, 3 of item numbers n, each from 1 to N; noise if that is the control."""
        if self.control == "random":
            return torch.from_numpy(noise_pictures(numbers, self.store.size))
        return torch.from_numpy(self.store.read([self.ids[number - 1] for number in numbers.tolist()]))

    def given(self, numbers: np.ndarray) -> np.ndarray:
        """The items whose pictures are shown as those of item numbers n: others if they are shuffled."""
        return self._exchanged[numbers] if self.control == "shuffled" else numbers

    @cached_property
    def _exchanged(self) -> np.ndarray:
        return exchanged(self.count)

    def demand_packed(self, size: int | None) -> None:
        """Raises `ImageError` if the data set has no pictures, or pictures of another size."""
        if self.spec.folder is not None:
            self.demand_size(self.store.size if size is None else size)

    def demand_size(self, size: int) -> None:
        """Raises `ImageError` unless the pictures have `size` pixels a side."""
        folder = self.store.path.parent
        if self.store.size != size:
            raise ImageError(
                f"pictures in {self.store.path} have {self.store.size} pixels a side, and the network "
                f"takes {size}: set the size to {self.store.size} (items.size of a recipe, --size of "
                f"`features extract`) if it can take that, or pack again: "
                f"`{command('images', 'pack', 'COVERS', '--data', folder)} --size {size} --overwrite`"
            )

    def demand_all(self) -> None:
        """Raises `ImageError` unless every item has a picture."""
        if missing := self.store.missing(self.ids):
            raise ImageError(
                f"{self.store.path} lacks pictures of {len(missing):,} of the data set's {self.count:,} "
                f"items: {some_of(map(repr, missing))}; pack the covers of all items with `pixelrec images "
                "pack`"
            )
