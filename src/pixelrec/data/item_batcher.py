"""Batches of items, to fit an item encoder to known vectors of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import Items, Moves, Payload
from pixelrec.data.batcher import AbstractBatcher, Batching


@final
@dataclass(frozen=True)
class ItemBatch(Moves):
    """Some items, and the vectors that theirs should point along."""

    items: Items  # after the padding, n items
    vectors: Tensor  # n, D
    weights: Tensor  # n

    @property
    def size(self) -> int:
        return len(self.weights)


@final
class ItemBatcher(AbstractBatcher[ItemBatch]):
    """Each item once an epoch.

    Args:
        numbers: int64[n]: the items.
        vectors, weights: N + 1, D and N + 1: by item number.
        load: of the item encoder: item numbers U → payload.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        vectors: Tensor,
        weights: Tensor,
        load: Callable[[np.ndarray], Payload],
        batching: Batching,
    ) -> None:
        super().__init__(len(numbers), batching)
        self.numbers, self.vectors, self.weights, self.load = numbers, vectors, weights, load

    def build(self, epoch: int, number: int, index: np.ndarray) -> ItemBatch:  # noqa: ARG002
        chosen = self.numbers[index]
        ids, rows = np.append(0, chosen), torch.from_numpy(chosen)
        items = Items(torch.from_numpy(ids), self.load(ids))
        batch = ItemBatch(items, self.vectors[rows], self.weights[rows])
        return batch.pinned() if self.batching.pinned else batch
