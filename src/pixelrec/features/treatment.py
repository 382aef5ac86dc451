"""Treatments of feature vectors: centred, scaled, rotated to principal components, whitened, of unit length.

Features of pretrained networks share a large mean and a few dominant directions, which hide what tells items
apart. All treatments but the last are one affine map, fitted in float64 to items with training events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy.linalg import eigh

from pixelrec.batch import Histories
from pixelrec.choices import TreatmentName
from pixelrec.errors import RecipeError

Scale = Literal["none", "centre", "standardise"]
_LEAST_SPREAD = 1e-6  # a constant channel becomes 0 instead of amplified noise
_ROWS = 8192  # converted together


@dataclass(frozen=True)
class TreatmentConfig:
    """A treatment by the options of a recipe.

    whiten: exponent α: components are divided by their standard deviation to the power α; 0 keeps their
        scale, 1 gives all the same variance.
    shrinkage: fraction by which the covariance is shrunk to a multiple of the identity before whitening.
    smoothing: λ: how much directions count in which items that follow each other agree. Components maximise
        the variance vᵀCv for a fixed (1 − λ) c |v|² + λ vᵀSv, S being half the mean outer product of the
        differences of such items, and c the mean variance: 0 is PCA. After Rec-PCA (arXiv 2604.20490).
    """

    scale: Scale = "none"
    pca: int | None = None
    whiten: float = 0.0
    shrinkage: float = 0.0
    smoothing: float = 0.0
    unit: bool = False

    @property
    def rotates(self) -> bool:
        return self.pca is not None or self.whiten > 0 or self.smoothing > 0

    def width(self, inner: int) -> int:
        """The width of treated vectors of W `inner`."""
        return self.pca if self.pca is not None else inner


TREATMENTS: Mapping[TreatmentName, TreatmentConfig] = {
    "none": TreatmentConfig(),
    "centre": TreatmentConfig("centre"),
    "standardise": TreatmentConfig("standardise"),
    "whiten-half": TreatmentConfig("centre", whiten=0.5, shrinkage=1e-3),
    "whiten": TreatmentConfig("centre", whiten=1.0, shrinkage=1e-3),
}
"""Those of similar items and of inspections."""


@final
@dataclass(frozen=True)
class Treatment:
    """(x − mean) · scale, times `matrix` if there is one, then divided by its length if `unit`."""

    mean: np.ndarray  # float32[W]
    scale: np.ndarray  # float32[W]
    matrix: np.ndarray | None  # float32[W, d]
    unit: bool

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """n, W → float32 n, d (W without a matrix)."""
        treated = (vectors.astype(np.float32) - self.mean) * self.scale
        if self.matrix is not None:
            treated = treated @ self.matrix
        if self.unit:
            length = np.linalg.norm(treated, axis=1, keepdims=True)
            treated /= np.where(length > 0, length, 1)
        return treated


def fit_treatment(
    vectors: np.ndarray, rows: np.ndarray, config: TreatmentConfig, pairs: np.ndarray | None = None
) -> Treatment:
    """The treatment of vectors (n, W), fitted to some `rows` of them.

    pairs: int64[m, 2]: rows that follow each other in training histories, for smoothing.

    Raises:
        RecipeError: there are fewer of these rows than the number of components needs, or no pairs to smooth
            over.
    """
    inner = vectors.shape[1]
    if config.rotates:
        _demand_enough(len(rows), inner, config)
    mean, second = _moments(vectors, rows)
    covariance = second - np.outer(mean, mean)
    if config.scale == "none" and not config.rotates:
        return Treatment(np.zeros(inner, "f4"), np.ones(inner, "f4"), None, config.unit)
    scale = np.ones(inner)
    if config.scale == "standardise":
        spread = np.sqrt(np.maximum(np.diag(covariance), 0))
        scale = np.where(spread > _LEAST_SPREAD, 1 / np.maximum(spread, _LEAST_SPREAD), 0.0)
    if not config.rotates:
        return Treatment(mean.astype("f4"), scale.astype("f4"), None, config.unit)
    limits = np.outer(scale, scale)
    variation = None
    if config.smoothing:
        if pairs is None or not len(pairs):
            raise RecipeError(
                "items.smoothing needs items that follow each other in histories: there are none"
            )
        variation = _variation(vectors, pairs) * limits
    matrix = _rotation(covariance * limits, variation, config)
    return Treatment(mean.astype("f4"), scale.astype("f4"), matrix.astype("f4"), config.unit)


def _rotation(covariance: np.ndarray, variation: np.ndarray | None, config: TreatmentConfig) -> np.ndarray:
    """float64[W, d]: the components of largest variance first, each divided by its deviation to the α."""
    inner = len(covariance)
    average = np.trace(covariance) / inner
    shrunk = (1 - config.shrinkage) * covariance
    shrunk[np.diag_indices(inner)] += config.shrinkage * average
    kept = config.width(inner)
    metric = None
    if variation is not None and average > 0:
        metric = config.smoothing * variation / average
        metric[np.diag_indices(inner)] += 1 - config.smoothing + 1e-6  # some directions may not vary at all
    values, components = eigh(shrunk, metric, subset_by_index=(inner - kept, inner - 1))
    values, components = values[::-1], components[:, ::-1]
    # The sign of a component is arbitrary; this choice makes it the same on every machine.
    components = components * np.sign(components[np.abs(components).argmax(0), np.arange(kept)])
    floor = max(values[0], 0) * 1e-10
    deviation = np.sqrt(np.where(values > floor, values, np.inf))  # no variance: the component becomes 0
    return components * np.where(np.isfinite(deviation), deviation**-config.whiten, 0.0)


def _demand_enough(items: int, inner: int, config: TreatmentConfig) -> None:
    """The covariance of fewer items than components has directions without variance."""
    if (kept := config.width(inner)) > inner:
        raise RecipeError(
            f"items.pca is {kept}, and the features have {inner} dimensions; choose at most these"
        )
    if items <= kept and not config.shrinkage:
        raise RecipeError(
            f"{items:,} items with training events are too few for {kept} components; set items.pca below "
            f"{items:,}, or items.shrinkage above 0"
        )


def _moments(vectors: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (W) and mean outer product (W, W) of some rows, in float64."""
    inner = vectors.shape[1]
    total, second = np.zeros(inner), np.zeros((inner, inner))
    for start in range(0, len(rows), _ROWS):
        some = vectors[rows[start : start + _ROWS]].astype(np.float64)
        total += some.sum(0)
        second += some.T @ some
    count = max(1, len(rows))
    return total / count, second / count


def _variation(vectors: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """S: half the mean outer product of differences; the covariance, if pairs are drawn at random."""
    total = np.zeros((vectors.shape[1],) * 2)
    for start in range(0, len(pairs), _ROWS):
        some = pairs[start : start + _ROWS]
        apart = vectors[some[:, 0]].astype(np.float64) - vectors[some[:, 1]]
        total += apart.T @ apart
    return total / (2 * len(pairs))


def consecutive_pairs(history: Histories, rows: np.ndarray) -> np.ndarray:
    """int64[m, 2]: rows of two different items that follow each other in a user's history.

    rows: int64[N + 1]: the row of each item, −1 for none: such items form no pairs.
    """
    counts = history.stops - history.starts
    owners = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(counts.sum()) + np.repeat(history.starts - (np.cumsum(counts) - counts), counts)
    items = rows[history.items[places]]
    follows = (owners[1:] == owners[:-1]) & (items[1:] != items[:-1]) & (items[1:] >= 0) & (items[:-1] >= 0)
    return np.stack([items[:-1][follows], items[1:][follows]], axis=1)


def items_with_events(history: Histories, items: int) -> np.ndarray:
    """bool[N + 1]: the items of at least one training event."""
    edges = np.zeros(len(history.items) + 1, np.int32)
    np.add.at(edges, history.starts, 1)
    np.add.at(edges, history.stops, -1)
    found = np.zeros(items + 1, bool)
    found[history.items[edges[:-1].cumsum() > 0]] = True
    found[0] = False
    return found
