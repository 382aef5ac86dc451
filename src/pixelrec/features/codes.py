"""Semantic ids: a feature file of codes, a few small numbers per item that similar items share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pixelrec.errors import FeatureError, first_line
from pixelrec.features.feature_file import CODES, QUANTISER, FeatureFile, pooled
from pixelrec.features.feature_writer import writing
from pixelrec.features.quantisers import QUANTISERS, AbstractQuantiser
from pixelrec.features.rqvae import RqVae
from pixelrec.files.regular import demand_regular
from pixelrec.files.tensors import write_tensors
from pixelrec.numerics.top_k import top_k

KINDS: Mapping[str, type[AbstractQuantiser]] = {**QUANTISERS, RqVae.name: RqVae}
SAMPLE = 1000  # items whose nearest neighbours are compared
NEIGHBOURS = 10


@dataclass(frozen=True)
class CodeReport:
    """The quality of the codes of n items."""

    codes: FeatureFile
    size: int  # entries per level
    used: list[float]  # by level: fraction of entries that some item has
    perplexity: list[float]  # by level: entries that are used as evenly as this many
    sharing: int  # items whose whole code another item has
    largest: int  # items of the code that most items share
    separated: bool  # whether another level tells them apart
    error: float  # of decoded vectors: mean squared distance, as a fraction of the variance
    neighbours: float  # fraction of the ten nearest neighbours that decoded vectors keep

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the codes by their folder."""
        figures = {each.name: getattr(self, each.name) for each in fields(self)}
        return figures | {"codes": str(self.codes.folder), "items": len(self.codes)}


def fit_codes(
    features: FeatureFile,
    out: Path,
    *,
    kind: str = "residual",
    levels: int = 4,
    size: int = 256,
    separate: bool = False,
    seed: int = 0,
    overwrite: bool = False,
) -> CodeReport:
    """Fits a quantiser, by its name in `KINDS`, to features, and writes the code of each item.

    Several regions are averaged. `separate` adds a level that numbers the items which share a code, so that
    no two are equal. Raises `FeatureError` for features that are codes, or if too many items share one code.
    """
    features.demand_kind()
    vectors = torch.from_numpy(pooled(features.vectors).astype(np.float32))
    quantiser = KINDS[kind].fit(vectors, levels, size, seed)
    codes = quantiser.encode(vectors)
    counted = _sharing(codes)
    written = codes
    if separate:
        if int(counted.max()) > size:
            raise FeatureError(
                f"{int(counted.max()):,} items share a code, and a level has {size:,} numbers to tell them "
                "apart; choose more levels or a larger size"
            )
        written = torch.cat([codes, _number_within_code(codes)[:, None]], dim=1)
    origin = {
        "kind": CODES,
        "quantiser": kind,
        "size": size,
        "separate": separate,
        "seed": seed,
        "features": features.digest,
        "features_origin": dict(features.origin),
    }
    pictures = features.pictures.to_list()
    with writing(
        out,
        features.ids,
        (written.shape[1],),
        origin,
        pictures=pictures,
        dtype="int16",
        overwrite=overwrite,
    ) as writer:
        writer.append(written.numpy())
        write_tensors(writer.folder / QUANTISER, quantiser.state())
    return _report(FeatureFile.open(out), vectors, quantiser, codes, counted, size, separate)


def assigned(vectors: np.ndarray, codes: FeatureFile) -> tuple[np.ndarray, np.ndarray]:
    """The code of each new vector (n, W): int[n, levels]; and the items that have it: int[n]."""
    found = read_quantiser(codes).encode(torch.from_numpy(pooled(vectors).astype(np.float32))).numpy()
    known = codes.vectors[:, : found.shape[1]]  # without the level that tells items of one code apart
    return found, np.array([int((known == code).all(1).sum()) for code in found])


def read_quantiser(codes: FeatureFile) -> AbstractQuantiser:
    """The quantiser of a folder that `fit_codes` wrote; `FeatureError` for imported codes."""
    path = codes.folder / QUANTISER
    if not path.exists():
        raise FeatureError(f"{codes.folder} holds no quantiser, so new pictures cannot be given codes")
    try:
        demand_regular(path)
        return KINDS[str(codes.origin["quantiser"])].restored(load_file(path))
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise FeatureError(f"{path}: damaged ({first_line(error)}); fit the codes again") from error


def _sharing(codes: Tensor) -> Tensor:
    """int64[n]: the items that have the code of each item, itself included."""
    _, group, counts = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    return counts[group]


def _number_within_code(codes: Tensor) -> Tensor:
    """int64[n]: 0 for the first item of each code, 1 for the next, and so on."""
    _, group, counts = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    order = group.argsort(stable=True)
    starts = counts.cumsum(0) - counts
    numbers = torch.empty_like(group)
    numbers[order] = torch.arange(len(group)) - starts[group[order]]
    return numbers


def _report(
    codes: FeatureFile,
    vectors: Tensor,
    quantiser: AbstractQuantiser,
    numbers: Tensor,
    sharing: Tensor,
    size: int,
    separate: bool,
) -> CodeReport:
    decoded = quantiser.decode(numbers)
    shares = [torch.bincount(level, minlength=size).double() / len(level) for level in numbers.T]
    variance = (vectors - vectors.mean(0)).square().sum(1).mean()
    return CodeReport(
        codes,
        size,
        [float((share > 0).double().mean()) for share in shares],
        [float(torch.special.entr(share).sum().exp()) for share in shares],
        int((sharing > 1).sum()),
        int(sharing.max()),
        separate,
        float((decoded - vectors).square().sum(1).mean() / variance.clamp(min=1e-30)),
        _kept_neighbours(vectors, decoded),
    )


def _kept_neighbours(vectors: Tensor, decoded: Tensor) -> float:
    """By cosine, for a sample of items."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(vectors), generator=generator)[:SAMPLE]
    k = min(NEIGHBOURS, len(vectors) - 1)
    true, kept = (_nearest(each, rows, k) for each in (vectors, decoded))
    return float((true[:, :, None] == kept[:, None]).any(2).double().mean())


def _nearest(vectors: Tensor, rows: Tensor, k: int) -> Tensor:
    unit = torch.nn.functional.normalize(vectors)
    table = torch.cat([torch.zeros(1, unit.shape[1]), unit])
    return top_k(table[rows + 1], table, k, rows + 1, torch.arange(len(rows)))[1]
