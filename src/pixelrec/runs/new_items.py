"""New items that have pictures and no events: ranked among the catalogue of a trained recommender."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.console.progress import OnProgress
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.images.covers import read_loose
from pixelrec.images.store import PictureStore
from pixelrec.recommender import Recommender
from pixelrec.runs.histories import Requests

_AT_ONCE = 512  # pictures that are read together


def vectors_of_pictures(covers: Sequence[Path], recommender: Recommender) -> Tensor:
    """Vectors (n, D) of pictures in files."""
    form = recommender.items.picture_form()
    return recommender.unseen(torch.from_numpy(read_loose(covers, size=form.size, fit=form.fit)))


def unknown_with_covers(dataset: Dataset, known: pl.Series) -> pl.DataFrame:
    """`item_id` and perhaps `title` of the items of a data set that are not known and have a picture."""
    items = dataset.information.select(pl.col("item_id"), pl.col("^title$").cast(pl.String))
    items = items.filter(~pl.col("item_id").is_in(known.implode()))
    if items.is_empty() or not dataset.covers.exists():
        return items.clear()
    store = PictureStore.open(dataset.covers)
    without = [*store.missing(items["item_id"].to_list()), *store.grey]
    return items.filter(~pl.col("item_id").is_in(without))


def vectors_of_covers(
    dataset: Dataset, ids: Sequence[str], recommender: Recommender, on_progress: OnProgress
) -> Tensor | str:
    """Vectors (n, D) of items of a data set, from their pictures; or why none: empty if that is plain."""
    try:
        form, store = recommender.items.picture_form(), PictureStore.open(dataset.covers)
    except RequestError:
        return ""
    if recommender.users.needs_catalogue:
        return ""
    if (store.size, store.fit) != (form.size, form.fit):
        return (
            f"{len(ids):,} of them have covers in {store.path}, of {store.size} pixels, {store.fit}, and the "
            f"run takes {form.size}, {form.fit}; pack them so, and they are recommended"
        )
    found = []
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found.append(recommender.unseen(torch.from_numpy(store.read(some))))
        on_progress(f"encoding new items: {start + len(some):,} of {len(ids):,}")
    return torch.cat(found)


def extended(items: pl.DataFrame, covers: Sequence[Path]) -> pl.DataFrame:
    """With a row for each picture, whose id is the name of its file."""
    names = [path.name for path in covers]
    # Undecodable bytes of a file's name are lone surrogates in Python.
    if odd := next((name for name in names if any("\ud800" <= c <= "\udfff" for c in name)), None):
        raise RequestError(
            f"the picture {odd!r} has a name that is not UTF-8, which an item needs; rename it"
        )
    taken = set(items["item_id"]) & set(names) or {name for name in names if names.count(name) > 1}
    if taken:
        raise RequestError(
            f"two items would have the id {min(taken)!r}: new items have the names of their files as ids; "
            "rename the file"
        )
    return pl.concat([items, pl.DataFrame({"item_id": names})], how="diagonal")


def ranked_new_items(
    trained: TrainedRanker, requests: Requests, rows: np.ndarray, seen: Tensor, owners: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, item numbers and ranks of the added items, best first: each B, n.

    The rank of each is exact: its place among the unseen items of the catalogue.
    """
    known = trained.recommender.spec.items
    added = range(known + 1, len(trained.catalogue.candidates))
    asked = requests.histories, rows + 1, requests.users[rows]
    old = seen <= known
    ranks, scores = trained.ranks_of(added, *asked, seen[old], owners[old], rivals=known)
    order = np.lexsort((-scores, ranks), axis=1)
    ordered = (np.take_along_axis(x, order, axis=1) for x in (scores.astype(np.float32), ranks))
    return next(ordered), order + known + 1, next(ordered)
