"""Feature vectors beside the training events of a data set: whether users agree with them."""

from __future__ import annotations

import numpy as np

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import FeatureFile, pooled
from pixelrec.features.inspection import Inspection, inspect_vectors
from pixelrec.features.treatment import consecutive_pairs


def inspect_file(features: FeatureFile, dataset: Dataset, *, k: int, seed: int) -> Inspection:
    """The figures of the vectors of items of the data set; arguments as of `inspect_vectors`.

    Raises:
        FeatureError: it holds codes, is damaged, or has vectors of fewer than two of the items.
        DataError: the data set is damaged.
    """
    features.demand_kind()
    dataset.verify()
    features.verify()
    places = features.rows_of(dataset.item_ids)
    known = np.flatnonzero(places >= 0)
    if len(known) < 2:
        raise FeatureError(f"{features.folder} has vectors of {len(known)} items of {dataset.folder}")
    rows = np.full(len(places) + 1, -1)
    rows[known + 1] = np.arange(len(known))
    vectors = pooled(features.vectors[places[known]]).astype(np.float32)
    ids = dataset.item_ids.gather(known).to_list()
    pairs = consecutive_pairs(training_events(dataset), rows)
    return inspect_vectors(vectors, ids, pairs, k=k, seed=seed)
