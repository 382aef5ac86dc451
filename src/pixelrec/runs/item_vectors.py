"""The item vectors of a checkpoint, kept in it as a feature file: the catalogue is encoded only once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import ABOUT, FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.recommender import Recommender

FOLDER = "item-vectors"


def kept_vectors(
    recommender: Recommender,
    checkpoint: Path,
    ids: pl.Series,
    origin: Mapping[str, Any],
    on_progress: OnProgress = ignore,
) -> Tensor:
    """Vectors (N + 1, D) of all items: those kept in the checkpoint that was loaded.

    If they are missing or incomplete, the rest is encoded, and kept if the folder is writable.

    ids: of all items. origin: the run. on_progress: called with a line of text as items are encoded.
    """
    weights = recommender.digests["items"]  # of those loaded: training may have replaced the checkpoint
    found = read_vectors(checkpoint, weights, recommender.items.reads if recommender.spec.covers else None)
    if found is None or found.shape != (recommender.spec.items + 1, recommender.items.width):
        about = {**origin, "weights": weights, "reads": recommender.items.reads}
        found = _encoded(recommender, checkpoint / FOLDER, ids, about, on_progress)
    return found.to(recommender.device)


def read_vectors(
    checkpoint: Path, weights: str, reads: str | None, ids: pl.Series | None = None
) -> Tensor | None:
    """Those kept; none if they are missing, damaged, or of other weights, pictures or items.

    weights: digest of section `items`. reads: fingerprint of the pictures; none: any, there are none here.
    ids: of all items, if they are to be compared.
    """
    if not (checkpoint / FOLDER).exists():
        return None
    try:
        file = FeatureFile.open(checkpoint / FOLDER)
        if file.origin.get("weights") != weights or reads not in (None, file.origin.get("reads")):
            return None
        if ids is not None and not file.ids.equals(ids):
            return None
        file.verify()
    except FeatureError:
        return None
    return torch.from_numpy(np.concatenate([np.zeros_like(file.vectors[:1]), file.vectors]))


def _encoded(
    recommender: Recommender, place: Path, ids: pl.Series, origin: Mapping[str, Any], on_progress: OnProgress
) -> Tensor:
    """Vectors of all items; those that were encoded before an interruption are not encoded again."""
    vectors = torch.zeros(recommender.spec.items + 1, recommender.items.width)
    if not (place / ABOUT).exists():
        shutil.rmtree(place, ignore_errors=True)  # damaged
    start = 0
    # Where the folder cannot be written, or another process writes it, the result is the same, only not kept.
    with (
        suppress(FeatureError),
        writing(place, ids, vectors.shape[1:], origin, overwrite=True, resumable=True) as file,
    ):
        if file.done:
            start = 1 + file.done
            vectors[1:start] = torch.from_numpy(file.written())
        for some in _rows(recommender, vectors, start, on_progress):
            file.append(some[0 if start else 1 :].numpy())  # without padding
            start += len(some)
    for _ in _rows(recommender, vectors, start, on_progress):
        pass
    return vectors


def _rows(recommender: Recommender, vectors: Tensor, start: int, on_progress: OnProgress) -> Iterator[Tensor]:
    """Fills in the vectors of items from number `start` on; yields them as they are encoded."""
    if start == len(vectors):
        return
    for some in recommender.encode(torch.arange(start, len(vectors))):
        rows = vectors[start : start + len(some)]
        rows[:] = some
        start += len(some)
        on_progress(f"encoding items: {start - 1:,} of {len(vectors) - 1:,}")
        yield rows
