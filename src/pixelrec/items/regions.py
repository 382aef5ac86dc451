"""Item vectors by number, of items whose pictures have regions: the frozen map of a layer of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Items
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.blocks.tower import kaiming_normal
from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import FeatureFile, found_file
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import AbstractItemEncoder, Log
from pixelrec.items.feature_source import FeatureSource, describe_file

MissingRegions = Literal["error", "zero"]


@final
class RegionEncoder(AbstractItemEncoder):
    """One learned vector per item, beside the regions of its picture: ReLU(linear(region)).

    Regions are too many to hold those of a catalogue: they are read from the memory-mapped file for the items
    of histories only.

    Args:
        described: what `describe` gave; with it, the file is not read before its regions are needed.
        file: folder of a feature file with regions, or the name of one in the features of the data set.
        missing: items without regions: stop with an error, or use zeros.
        width: D, the width of an item vector and of a region.
        init: initial item vectors, as of an id table.
    """

    has_regions = True

    def __init__(
        self,
        spec: DatasetSpec,
        described: Mapping[str, Any] | None = None,
        *,
        file: str | None = None,
        missing: MissingRegions = "error",
        width: Width = 128,
        init: Init = "kaiming_normal",
    ) -> None:
        super().__init__()
        if described is None:
            described = _described(found_file(file, spec.folder))
        self.described = dict(described)
        self.source = FeatureSource(spec, self.described, missing, ("zero",))
        self.width = width
        self.rows = EmbeddingTable(spec.items, width, init=init)
        self.project = kaiming_normal(nn.Linear(int(self.described["width"]), width))

    def prepare(self, log: Log) -> None:
        self.source.verify(log)

    def forward(self, items: Items) -> Tensor:
        return self.rows(items.ids)

    def load_regions(self, ids: np.ndarray) -> Tensor:
        rows = self.source.rows[ids]
        found = self.source.file.vectors[rows]  # a copy
        found[rows < 0] = 0
        return torch.from_numpy(found)

    def regions(self, loaded: Tensor) -> Tensor:
        return F.relu(self.project(loaded.to(self.project.weight.dtype)))

    def describe(self) -> dict[str, Any]:
        return dict(self.described)

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        return cls(spec, described, **config)


def _described(found: FeatureFile) -> dict[str, Any]:
    if found.vectors.ndim != 3:
        raise FeatureError(
            f"{found.folder} has one vector per item; regions come from `pixelrec features extract --layer "
            "'stage 4' --regions`"
        )
    return describe_file(found)
