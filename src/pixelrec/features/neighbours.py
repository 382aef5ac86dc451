"""The nearest items of items, by cosine of treated vectors; exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch

from pixelrec.errors import RequestError, nearest, some_of
from pixelrec.features.feature_file import FeatureFile, pooled
from pixelrec.features.treatment import TreatmentConfig, fit_treatment
from pixelrec.numerics.top_k import top_k


def nearest_items(
    features: FeatureFile,
    k: int,
    *,
    items: Sequence[str] = (),
    others: np.ndarray | None = None,
    names: Sequence[str] = (),
    treatment: TreatmentConfig | None = None,
) -> pl.DataFrame:
    """A row for each neighbour: `query`, `rank`, `item_id`, `cosine`.

    Args:
        features: n vectors.
        k: neighbours of each query.
        items: ids of items that are looked up, each without itself.
        others: float32[m, W] or [m, R, W]: further vectors, such as of new pictures.
        names: m names for them.
        treatment: fitted to all items; by default vectors are centred.

    Raises:
        RequestError: an item has no vector, or the features are codes.
    """
    if features.vectors.dtype.kind != "f":
        raise RequestError(f"{features.folder} holds codes; expected feature vectors")
    rows = features.rows_of(list(items))
    if (rows < 0).any():
        unknown = [item for item, row in zip(items, rows.tolist(), strict=True) if row < 0]
        hint = nearest(unknown[0], features.ids.head(100_000).to_list()) if len(unknown) == 1 else ""
        known = hint if hint.startswith("did") else f"ids look like {features.ids[0]!r}"
        raise RequestError(f"{features.folder} has no vector of {some_of(map(repr, unknown))}; {known}")
    vectors = pooled(features.vectors)
    fitted = fit_treatment(vectors, np.arange(len(vectors)), treatment or TreatmentConfig("centre"))
    table = _unit(fitted.apply(vectors))
    asked = table[rows + 1]
    if others is not None:
        asked = torch.cat([asked, _unit(fitted.apply(pooled(others)))[1:]])
    own = torch.tensor(rows + 1)
    cosines, found = top_k(asked, table, min(k, len(vectors)), own, torch.arange(len(rows)))
    real = found > 0  # fewer are left than were asked for
    query, rank = real.nonzero(as_tuple=True)
    labels = pl.Series("query", [*items, *names], dtype=pl.String)
    return pl.DataFrame(
        {
            "query": labels.gather(query.numpy()),
            "rank": rank.numpy() + 1,
            "item_id": features.ids.gather(found[real].numpy() - 1),
            "cosine": cosines[real].numpy(),
        }
    )


def _unit(vectors: np.ndarray) -> torch.Tensor:
    """n + 1, W: vectors of length 1 below a row of zeros for padding."""
    unit = torch.nn.functional.normalize(torch.from_numpy(np.ascontiguousarray(vectors)))
    return torch.cat([unit.new_zeros(1, unit.shape[1]), unit])
