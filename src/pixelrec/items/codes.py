"""Semantic ids: item vectors from the learned vectors of an item's codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.choices import Control
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import AbstractItemEncoder, Log
from pixelrec.items.feature_source import FeatureSource

MissingCodes = Literal["error", "zero"]


@final
class CodeEncoder(AbstractItemEncoder):
    """The mean of a learned vector for each number of an item's code; each level has its own.

    Items with the same code have the same vector, and share what is learnt from the events of each.

    Args:
        described: what `describe` gave; with it, the file is not read before its codes are needed.
        file: folder of codes, or the name of one in the features of the data set; by default the only one
            there.
        missing: items without a code: stop with an error, or use zeros.
        control: for an audit: shuffled gives each item the code of another one, random a code at random.
        width: D, the width of an item vector.
        init: initial vectors, as of an id table.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        described: Mapping[str, Any] | None = None,
        *,
        file: str | None = None,
        missing: MissingCodes = "error",
        control: Control = "none",
        width: Width = 128,
        init: Init = "normal",
    ) -> None:
        super().__init__()
        self.width = width
        self.source = FeatureSource(spec, described, file, "codes", missing, ("zero",), control)
        self.levels, self.size = self.source.width, int(self.source.described["size"])
        self.rows = EmbeddingTable(self.levels * self.size, width, init=init)

    @cached_property
    def _codes(self) -> np.ndarray:
        """int64[N + 1, levels]: rows of the table; 0 for padding and for items without a code."""
        self.source.file.verify()
        rows = self.source.rows[1:]
        codes = np.zeros((len(rows) + 1, self.levels), np.int64)
        known = rows >= 0
        codes[1:][known] = self.source.vectors[rows[known]] + np.arange(self.levels) * self.size + 1
        return codes

    def prepare(self, log: Log) -> None:
        self.source.verify(log)
        self.work += self.source.work

    def load(self, ids: np.ndarray) -> Payload:
        """`codes`: rows of the table, int64 U, levels; 0 where there is no code."""
        return {"codes": torch.from_numpy(self._codes[ids])}

    def forward(self, items: Items) -> Tensor:
        codes = items.payload["codes"]
        vectors: Tensor = self.rows(codes.flatten()).view(*codes.shape, self.width)
        return vectors.mean(1)

    def describe(self) -> dict[str, Any]:
        return self.source.described
