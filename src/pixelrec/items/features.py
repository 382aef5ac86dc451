"""ViNet: item vectors from feature vectors that were computed beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from time import process_time
from typing import Annotated, Any, Literal, final

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.choices import Control
from pixelrec.errors import RecipeError
from pixelrec.features.feature_file import pooled
from pixelrec.features.treatment import (
    Scale,
    Treatment,
    TreatmentConfig,
    consecutive_pairs,
    fit_treatment,
    items_with_events,
)
from pixelrec.hyperparameters import Fraction, Width
from pixelrec.items.encoder import AbstractItemEncoder, Log
from pixelrec.items.feature_source import FeatureSource
from pixelrec.items.projection import Activation, Projection, ProjectionInit
from pixelrec.items.work import Work

TREATED_BYTES = 2 << 30  # treated vectors of all items are held in memory up to this size
_ROWS = 8192  # treated together
_WIDTH = 128
MissingFeatures = Literal["error", "mean", "zero"]


@final
class FeatureEncoder(AbstractItemEncoder):
    """Vectors of a feature file, treated, and a trained projection.

    Args:
        described: what `describe` gave; with it, the file is not read before its vectors are needed.
        file: folder of a feature file, or the name of one in the features of the data set; by default the
            only one there. Vectors of several regions are averaged.
        missing: items without a vector: stop with an error, or use the mean of all vectors, or zeros.
        control: for an audit: shuffled gives each item the vector of another one, random noise instead.
        scale: centre subtracts the mean of every dimension, standardise also divides by its deviation.
        pca: number of principal components to keep; by default all dimensions as they are.
        whiten: exponent α by which the deviations of components are divided out: 0 for none, 1 for all.
        shrinkage: fraction of an equal variance that is mixed into the covariance before whitening.
        smoothing: how much components are preferred along which items that follow each other agree: 0 is PCA.
        unit: divide each treated vector by its length.
        project: whether a trained linear layer follows; without it, item vectors are the treated ones.
        width: D, the width of an item vector, by default 128; without a projection, that of treated vectors.
        activation: activation after the projection.
        init: initial weights of the projection: small (vectors start as those of an id table do) or
            xavier_normal.
    """

    mean: Tensor
    spread: Tensor
    matrix: Tensor
    fitted: Tensor

    def __init__(
        self,
        spec: DatasetSpec,
        described: Mapping[str, Any] | None = None,
        *,
        file: str | None = None,
        missing: MissingFeatures = "error",
        control: Control = "none",
        scale: Scale = "standardise",
        pca: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None,
        whiten: Fraction = 0.0,
        shrinkage: Fraction = 0.0,
        smoothing: Fraction = 0.0,
        unit: bool = False,
        project: bool = True,
        width: Width | None = None,
        activation: Activation = "none",
        init: ProjectionInit = "small",
    ) -> None:
        super().__init__()
        self.spec, self.missing, self.control = spec, missing, control
        self.config = TreatmentConfig(scale, pca, whiten, shrinkage, smoothing, unit)
        self.source = FeatureSource(spec, described, file, "vectors", missing, ("mean", "zero"), control)
        inner = self.source.width
        kept = self.config.width(inner)
        self.register_buffer("mean", torch.zeros(inner))
        self.register_buffer("spread", torch.ones(inner))
        self.register_buffer("matrix", torch.zeros(inner, kept if self.config.rotates else 0))
        self.register_buffer("fitted", torch.tensor(False))
        if not project and width not in {None, kept}:
            raise RecipeError(
                f"items.width is {width}, and vectors without a projection have {kept} dimensions; leave it "
                "out, or set items.pca"
            )
        self.width = (width or _WIDTH) if project else kept
        self.project: nn.Module = nn.Identity()
        if project:
            self.project = Projection(kept, self.width, activation, "none", init)

    def prepare(self, log: Log) -> None:
        """Check the file and the items it lacks, and fit the treatment to items with training events."""
        started = process_time()
        self.source.verify(log)
        if not self.fitted:
            assert self.spec.history is not None, "a training has histories"
            known = items_with_events(self.spec.history, self.spec.items) & (self.source.rows >= 0)
            pairs = consecutive_pairs(self.spec.history, self.source.rows) if self.config.smoothing else None
            vectors = pooled(self.source.vectors)
            self._set(fit_treatment(vectors, self.source.rows[known], self.config, pairs))
        self.__dict__.pop("_treated", None)
        self.work += self.source.work + Work(cpu_seconds=process_time() - started)

    def _set(self, fitted: Treatment) -> None:
        self.mean.copy_(torch.from_numpy(fitted.mean))
        self.spread.copy_(torch.from_numpy(fitted.scale))
        if fitted.matrix is not None:
            self.matrix.copy_(torch.from_numpy(fitted.matrix))
        self.fitted.fill_(True)

    @property
    def treatment(self) -> Treatment:
        mean, spread, matrix = (each.float().cpu().numpy() for each in (self.mean, self.spread, self.matrix))
        return Treatment(mean, spread, matrix if self.config.rotates else None, self.config.unit)

    @cached_property
    def _treated(self) -> np.ndarray | None:
        """float32[N, d]: the treated vectors of all items, if they fit, and differ from the file's."""
        count, kept = self.spec.items, self.config.width(len(self.mean))
        if self.config == TreatmentConfig() or count * kept * 4 > TREATED_BYTES:
            return None
        numbers = np.arange(1, count + 1)
        return np.concatenate([self._treat(some) for some in np.array_split(numbers, -(-count // _ROWS))])

    def _treat(self, numbers: np.ndarray) -> np.ndarray:
        """float32 n, d of item numbers n."""
        rows, treatment = self.source.rows[numbers], self.treatment
        known = rows >= 0
        treated = treatment.apply(pooled(self.source.vectors[rows]))
        if not known.all():
            # A vector at the mean of all others is treated like them; zeros are zeros afterwards.
            treated[~known] = self._mean_treated if self.missing == "mean" else 0
        return treated

    @cached_property
    def _mean_treated(self) -> np.ndarray:
        """float32[1, d]."""
        vectors = self.source.vectors
        total = np.zeros(vectors.shape[-1])
        for start in range(0, len(vectors), _ROWS):
            total += pooled(vectors[start : start + _ROWS]).sum(0, np.float64)
        return self.treatment.apply(total[None] / max(1, len(vectors)))

    def load(self, ids: np.ndarray) -> Payload:
        """`rows`: the n of `ids` (U) that are items; `features`: their treated vectors, n, d."""
        rows = np.flatnonzero(ids)
        found = self._treat(ids[rows]) if self._treated is None else self._treated[ids[rows] - 1]
        return {"rows": torch.from_numpy(rows), "features": torch.from_numpy(found)}

    def forward(self, items: Items) -> Tensor:
        vectors = self.project(items.payload["features"].to(self.mean.dtype))
        table = vectors.new_zeros(len(items.ids), self.width)
        return table.index_copy(0, items.payload["rows"], vectors)

    @property
    def feature_width(self) -> int | None:
        return len(self.mean) if self.control == "none" else None

    def from_features(self, features: Tensor) -> Tensor:
        """As `Treatment.apply`, in PyTorch, and the projection."""
        treated = (features - self.mean) * self.spread
        if self.config.rotates:
            treated = treated @ self.matrix
        if self.config.unit:
            length = treated.norm(dim=1, keepdim=True)
            treated = treated / torch.where(length > 0, length, 1)
        vectors: Tensor = self.project(treated)
        return vectors

    def describe(self) -> dict[str, Any]:
        return self.source.described
