"""Item vectors by number, of items whose pictures have regions: the frozen map of a layer of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Items
from pixelrec.blocks.embedding_table import EmbeddingTable, Init
from pixelrec.blocks.tower import kaiming_normal
from pixelrec.choices import Control
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import AbstractItemEncoder, Log
from pixelrec.items.feature_source import FeatureSource

MissingRegions = Literal["error", "zero"]


@final
class RegionEncoder(AbstractItemEncoder):
    """One learned vector per item, beside the regions of its picture: ReLU(linear(region)).

    Regions are too many to hold those of a catalogue: they are read from the memory-mapped file for the items
    of histories only.

    Args:
        described: what `describe` gave; with it, the file is not read before its regions are needed.
        file: folder of a feature file with regions, or the name of one in the features of the data set; by
            default the only one there.
        missing: items without regions: stop with an error, or use zeros.
        control: for an audit: shuffled gives each item the regions of another one, random noise instead.
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
        control: Control = "none",
        width: Width = 128,
        init: Init = "kaiming_normal",
    ) -> None:
        super().__init__()
        self.source = FeatureSource(spec, described, file, "regions", missing, ("zero",), control)
        self.width = width
        self.rows = EmbeddingTable(spec.items, width, init=init)
        self.project = kaiming_normal(nn.Linear(self.source.width, width))

    def prepare(self, log: Log) -> None:
        self.source.verify(log)
        self.work += self.source.work

    def forward(self, items: Items) -> Tensor:
        return self.rows(items.ids)

    def load_regions(self, ids: np.ndarray) -> Tensor:
        rows = self.source.rows[ids]
        found = self.source.vectors[rows]  # a copy
        found[rows < 0] = 0
        return torch.from_numpy(found)

    def regions(self, loaded: Tensor) -> Tensor:
        return F.relu(self.project(loaded.to(self.project.weight.dtype)))

    def describe(self) -> dict[str, Any]:
        return self.source.described
