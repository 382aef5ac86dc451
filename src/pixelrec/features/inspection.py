"""Whether vectors are any good: their distribution, and whether items bought together are near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from pixelrec.choices import TreatmentName
from pixelrec.console.numbers import percent, plural
from pixelrec.errors import some_of
from pixelrec.features.treatment import TREATMENTS, Treatment, TreatmentConfig, fit_treatment
from pixelrec.numerics.top_k import top_k

_ALIKE = 0.5  # mean cosine of random items from which a common direction hides the differences
PAIRS = 20_000  # of items, drawn to estimate means over pairs


@dataclass(frozen=True)
class Agreement:
    """How often an item bought next is among the k nearest of the one before, by cosine."""

    treatment: TreatmentName
    recall: float
    shuffled: float  # the same vectors given to the wrong items


@dataclass(frozen=True)
class Inspection:
    """Figures of n vectors of width W."""

    items: int
    width: int
    norms: tuple[float, float, float]  # least, median, greatest
    cosine: float  # mean over random pairs; far above 0: a common direction hides the differences
    centred_cosine: float
    effective_rank: float  # exp of the entropy of the variances: dimensions that are really used
    variance_of_first: float  # fraction of all variance along the first principal component
    constant: int  # dimensions that are the same for all items
    zero: list[str]  # items with a zero vector
    alike: list[list[str]]  # groups of items with one and the same vector
    k: int
    pairs: int  # pairs of consecutive events that agreement is measured on
    agreement: list[Agreement]
    spectrum: np.ndarray  # float64: fractions of the variance along the components, the largest first

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"spectrum": self.spectrum.tolist(), "notes": self.notes()}

    def facts(self) -> list[tuple[str, str]]:
        """Name and value of each figure."""
        least, median, greatest = self.norms
        return [
            ("vectors", f"{self.items:,} items × {self.width:,} dimensions"),
            ("length", f"{least:.3g} to {greatest:.3g}, median {median:.3g}"),
            ("mean cosine of random items", f"{self.cosine:.2f}; {self.centred_cosine:.2f} once centred"),
            ("effective rank", f"{self.effective_rank:.1f} of {min(self.width, self.items):,}"),
            ("variance along the first component", f"{percent(self.variance_of_first)} %"),
        ]

    def notes(self) -> list[str]:
        """Faults and advice, a line each."""
        lines = []
        if self.cosine > _ALIKE:
            lines.append("all vectors point the same way: centre them with items.scale centre or standardise")
        if self.zero:
            lines.append(
                f"{plural(len(self.zero), 'item')} with a zero vector: {some_of(map(repr, self.zero))}"
            )
        if self.constant:
            lines.append(f"{plural(self.constant, 'dimension')} without any variation")
        if self.alike:
            items, first = sum(map(len, self.alike)), ", ".join(map(repr, self.alike[0][:3]))
            lines.append(
                f"{items:,} items share their vector with another, in {plural(len(self.alike), 'group')}, "
                f"such as {first}"
            )
        return lines


def inspect_vectors(
    vectors: np.ndarray, ids: Sequence[str], pairs: np.ndarray, *, k: int = 10, seed: int = 0
) -> Inspection:
    """The figures of vectors.

    Args:
        vectors: n, W: finite.
        ids: n.
        pairs: int64[m, 2]: rows of items that follow each other in histories, each pair of two items.
        k: nearest neighbours that count.
        seed: of drawn pairs and of shuffling.
    """
    generator = np.random.default_rng(seed)
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    spectrum = _spectrum(vectors)
    total = spectrum.sum()
    shares = spectrum[spectrum > 0][::-1] / total if total > 0 else np.ones(1)
    centred = fit_treatment(vectors, np.arange(len(vectors)), TreatmentConfig("centre"))
    least, greatest = vectors.min(0), vectors.max(0)
    if len(pairs) > PAIRS:
        pairs = pairs[generator.choice(len(pairs), PAIRS, replace=False)]
    return Inspection(
        items=len(vectors),
        width=vectors.shape[1],
        norms=(float(norms.min()), float(np.median(norms)), float(norms.max())),
        cosine=_mean_cosine(vectors, None, generator),
        centred_cosine=_mean_cosine(vectors, centred, generator),
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())),
        variance_of_first=float(shares.max()),
        constant=int((least == greatest).sum()),
        zero=[ids[row] for row in np.flatnonzero(norms == 0).tolist()],
        alike=_alike(vectors, ids),
        k=k,
        pairs=len(pairs),
        agreement=[_agreement(vectors, pairs, name, k, seed) for name in TREATMENTS] if len(pairs) else [],
        spectrum=shares,
    )


def _spectrum(vectors: np.ndarray) -> np.ndarray:
    """float64[W]: variances along the principal components, ascending."""
    mean = vectors.mean(0, dtype=np.float64)
    second = np.zeros((vectors.shape[1],) * 2)
    for start in range(0, len(vectors), 8192):
        some = vectors[start : start + 8192].astype(np.float64) - mean
        second += some.T @ some
    return np.maximum(np.linalg.eigvalsh(second / len(vectors)), 0)


def _mean_cosine(vectors: np.ndarray, treatment: Treatment | None, generator: np.random.Generator) -> float:
    if len(vectors) < 2:
        return 1.0
    first = generator.integers(0, len(vectors), PAIRS)
    second = (first + generator.integers(1, len(vectors), PAIRS)) % len(vectors)
    left, right = (_unit(vectors[rows], treatment) for rows in (first, second))
    return float(np.einsum("ij,ij->i", left, right).mean())


def _unit(vectors: np.ndarray, treatment: Treatment | None) -> np.ndarray:
    treated = vectors.astype(np.float64) if treatment is None else treatment.apply(vectors)
    length = np.linalg.norm(treated, axis=1, keepdims=True)
    unit: np.ndarray = treated / np.where(length > 0, length, 1)
    return unit


def _alike(vectors: np.ndarray, ids: Sequence[str]) -> list[list[str]]:
    """Groups of items whose vectors are equal, in order of their first item."""
    groups: dict[bytes, list[str]] = {}
    for row, vector in enumerate(vectors):
        groups.setdefault(vector.tobytes(), []).append(ids[row])
    return [group for group in groups.values() if len(group) > 1]


def _agreement(vectors: np.ndarray, pairs: np.ndarray, name: TreatmentName, k: int, seed: int) -> Agreement:
    treatment = fit_treatment(vectors, np.arange(len(vectors)), TREATMENTS[name])
    treated = _unit(vectors, treatment).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(treated))
    return Agreement(name, _recall(treated, pairs, k), _recall(treated[order], pairs, k))


def _recall(unit: np.ndarray, pairs: np.ndarray, k: int) -> float:
    """The fraction of pairs whose second item is among the k nearest of the first, itself left out."""
    asked, places = np.unique(pairs[:, 0], return_inverse=True)
    table = torch.cat([torch.zeros(1, unit.shape[1]), torch.from_numpy(np.ascontiguousarray(unit))])
    own = torch.from_numpy(asked + 1)
    _, nearest = top_k(table[own], table, min(k, len(unit) - 1), own, torch.arange(len(own)))
    hits = (nearest.numpy()[places.reshape(-1)] == pairs[:, 1:] + 1).any(1)
    return float(hits.mean())
