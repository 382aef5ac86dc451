"""Feature files of the item vectors that a trained run gives to items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pixelrec.data.dataset import Dataset
from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import FINAL, RUN, FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.images.store import PictureStore
from pixelrec.items.extraction import Extraction, vectors_of
from pixelrec.runs.new_items import vectors_of_pictures
from pixelrec.runs.run import Run


def extract_run(run: Run, dataset: Dataset, out: Path, *, dtype: str, overwrite: bool) -> Extraction:
    """Writes the item vectors of a run's best epoch, a row for each item of its data set."""
    dataset = run.dataset(dataset.folder)
    recommender = run.recommender(dataset)
    vectors = run.encoded(recommender)[1:].float().cpu().numpy()
    ids = dataset.item_ids
    reads = recommender.items.reads and dataset.covers.exists()
    pictures = PictureStore.open(dataset.covers).digests(ids.to_list()) if reads else None
    origin = {**run.origin, "weights": recommender.digests["items"], FINAL: run.is_final}
    with writing(
        out, ids, vectors.shape[1:], origin, pictures=pictures, dtype=dtype, overwrite=overwrite
    ) as writer:
        writer.append(vectors)
    return Extraction(FeatureFile.open(out), len(ids), 0)


def vectors_of_new(files: Sequence[Path], features: FeatureFile) -> np.ndarray:
    """Vectors of new pictures, by the network or the run that features, or features of codes, are from.

    Raises:
        FeatureError: the features are of another kind, or their network or run is missing or was changed.
        ImageError: a file is no picture.
        RequestError: the run's item vectors do not come from pictures.
    """
    origin = features.network_origin
    if origin.get("kind") != RUN:
        return vectors_of(files, features)
    run = Run.open(origin["run"])
    recommender = run.recommender()
    if recommender.digests["items"] != origin["weights"]:
        raise FeatureError(f"{run.folder} has other weights than when {features.folder} was extracted")
    return vectors_of_pictures(files, recommender).float().cpu().numpy()
