"""The nearest items of items, by cosine of treated vectors; exact, or by an index of measured recall."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.choices import TreatmentName
from pixelrec.console.numbers import percent, short
from pixelrec.console.progress import ignore
from pixelrec.errors import RequestError, nearest, some_of
from pixelrec.features.feature_file import FeatureFile, pooled
from pixelrec.features.index import Index, key_of, stored_index
from pixelrec.features.treatment import TREATMENTS, Treatment, fit_treatment
from pixelrec.numerics.top_k import top_k

SAMPLE = 1000  # items that an index is compared with the exact search on


def nearest_items(
    features: FeatureFile,
    k: int,
    *,
    items: Sequence[str] = (),
    others: np.ndarray | None = None,
    names: Sequence[str] = (),
    treatment: TreatmentName = "centre",
    index: Path | None = None,
    on_note: Callable[[str], object] = ignore,
) -> pl.DataFrame:
    """A row for each neighbour: `query`, `rank`, `item_id`, `cosine`.

    Args:
        features: n vectors.
        k: neighbours of each query.
        items: ids of items that are looked up, each without itself.
        others: float32[m, W] or [m, R, W]: further vectors, such as of new pictures.
        names: m names for them.
        treatment: fitted to all items.
        index: search by the index in this file, which is built if it is missing.
        on_note: called with a line about the recall of the index against the exact search.

    Raises:
        RequestError: an item has no vector, or FAISS is needed and not installed.
        FeatureError: the features are codes, or the index is of other vectors.
    """
    features.demand_kind()
    rows = _rows_of(features, items)
    own, k = torch.tensor(rows + 1), min(k, len(features))
    queries = pooled(features.vectors[rows])
    if others is not None:
        queries = np.concatenate([queries, pooled(others)])
    if index is None:
        fitted, table = _treated(features, treatment)
        asked = _unit(fitted.apply(queries))[1:]
        cosines, found = top_k(asked, table, k, own, torch.arange(len(own)))
    else:
        build = partial(_index, features, treatment, k)
        stored = stored_index(index, key_of(features, treatment), build, on_note)
        cosines, found = _by_index(stored, _unit(stored.treatment.apply(queries))[1:], k, own)
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


def _treated(features: FeatureFile, name: TreatmentName) -> tuple[Treatment, Tensor]:
    """The treatment, and the treated vectors of length 1 below a row of padding."""
    vectors = pooled(features.vectors)
    fitted = fit_treatment(vectors, np.arange(len(vectors)), TREATMENTS[name])
    return fitted, _unit(fitted.apply(vectors))


def _index(features: FeatureFile, name: TreatmentName, k: int) -> tuple[Index, str]:
    """A new index, and a line about its recall."""
    fitted, table = _treated(features, name)
    index = Index.build(table[1:].numpy(), fitted)
    return index, _quality(index, table, k)


def _rows_of(features: FeatureFile, items: Sequence[str]) -> np.ndarray:
    rows = features.rows_of(list(items))
    if (rows < 0).any():
        unknown = [item for item, row in zip(items, rows.tolist(), strict=True) if row < 0]
        hint = nearest(unknown[0], features.ids.head(100_000).to_list()) if len(unknown) == 1 else ""
        known = hint if hint.startswith("did") else f"ids look like {features.ids[0]!r}"
        raise RequestError(f"{features.folder} has no vector of {some_of(map(repr, unknown))}; {known}")
    return rows


def _by_index(index: Index, asked: Tensor, k: int, own: Tensor) -> tuple[Tensor, Tensor]:
    """As `top_k`: cosines and item numbers [m, k], without the item itself."""
    cosines, numbers = map(torch.from_numpy, index.nearest(asked.numpy(), k + 1))
    numbers = numbers + 1  # 0 where the index found fewer
    self_found = torch.zeros_like(numbers, dtype=torch.bool)
    self_found[: len(own)] = numbers[: len(own)] == own[:, None]
    order = self_found.byte().argsort(dim=1, stable=True)[:, :k]  # itself last, and cut off
    numbers = numbers.masked_fill(self_found, 0)
    return cosines.gather(1, order), numbers.gather(1, order)


def _quality(index: Index, table: Tensor, k: int) -> str:
    """The recall and the speed of an index, on items drawn at random, beside the exact search."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(table) - 1, generator=generator)[:SAMPLE] + 1
    start = time.perf_counter()
    _, exact = top_k(table[rows], table, k, rows, torch.arange(len(rows)))
    middle = time.perf_counter()
    _, found = _by_index(index, table[rows], k, rows)
    stop = time.perf_counter()
    recall = float(((exact[:, :, None] == found[:, None]).any(2) & (exact > 0)).sum() / (exact > 0).sum())
    each = [short(1000 * seconds / len(rows)) for seconds in (middle - start, stop - middle)]
    return (
        f"{percent(recall)} % of the {k} nearest of {len(rows):,} items found, in {each[1]} ms each (exact "
        f"search: {each[0]} ms)"
    )


def _unit(vectors: np.ndarray) -> torch.Tensor:
    """n + 1, W: vectors of length 1 below a row of zeros for padding."""
    unit = torch.nn.functional.normalize(torch.from_numpy(np.ascontiguousarray(vectors)))
    return torch.cat([unit.new_zeros(1, unit.shape[1]), unit])
