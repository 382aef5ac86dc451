"""Semantic ids: item vectors from the learned vectors of an item's codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import FeatureFile, found_file
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import AbstractItemEncoder, Log
from pixelrec.items.feature_source import FeatureSource, describe_file

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
        width: Width = 128,
        init: Init = "normal",
    ) -> None:
        super().__init__()
        self.width = width
        if described is None:
            described = _described(found_file(file, spec.folder, codes=True))
        self.described = dict(described)
        self.source = FeatureSource(spec, self.described, missing, ("zero",))
        self.levels, self.size = int(self.described["levels"]), int(self.described["size"])
        self.rows = EmbeddingTable(self.levels * self.size, width, init=init)

    @cached_property
    def _codes(self) -> np.ndarray:
        """int64[N + 1, levels]: rows of the table; 0 for padding and for items without a code."""
        self.source.file.verify()
        rows = self.source.rows[1:]
        codes = np.zeros((len(rows) + 1, self.levels), np.int64)
        known = rows >= 0
        codes[1:][known] = self.source.file.vectors[rows[known]] + np.arange(self.levels) * self.size + 1
        return codes

    def prepare(self, log: Log) -> None:
        self.source.verify(log)

    def load(self, ids: np.ndarray) -> Payload:
        """`codes`: rows of the table, int64 U, levels; 0 where there is no code."""
        return {"codes": torch.from_numpy(self._codes[ids])}

    def forward(self, items: Items) -> Tensor:
        codes = items.payload["codes"]
        vectors: Tensor = self.rows(codes.flatten()).view(*codes.shape, self.width)
        return vectors.mean(1)

    def describe(self) -> dict[str, Any]:
        return dict(self.described)

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        return cls(spec, described, **config)


def _described(found: FeatureFile) -> dict[str, Any]:
    if found.vectors.dtype.kind != "i" or found.vectors.ndim != 2:
        raise FeatureError(
            f"{found.folder} holds feature vectors; make codes of them with `pixelrec codes fit`"
        )
    least, most = (int(found.vectors.min()), int(found.vectors.max())) if len(found) else (0, 0)
    size = int(found.origin.get("size", most + 1))
    if least < 0 or most >= size:
        raise FeatureError(f"{found.folder}: codes are from {least} to {most}; expected 0 to {size - 1}")
    return {**describe_file(found), "levels": found.width, "size": size}
