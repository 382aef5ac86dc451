"""The items that the same users have: neighbours by behaviour, whatever they look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np
import polars as pl

from pixelrec.baselines.item_knn import Similarities
from pixelrec.data.numbering import numbers_of
from pixelrec.errors import RequestError
from pixelrec.insight.neighbours import about_items, training_counts
from pixelrec.runs.recommend import RecommendationService


@final
@dataclass(frozen=True, eq=False)
class Behaviour:
    """The similarities of the baseline item-kNN on the training events of a run, an item at a time."""

    service: RecommendationService
    similarities: Similarities
    counts: np.ndarray  # int64[N + 1]: training events

    @classmethod
    def of(cls, service: RecommendationService) -> Self:
        """One pass over the events: keep it, for many items; `RequestError` where they are not there."""
        counts = training_counts(service)
        if service.own is None or counts is None:
            raise RequestError(f"the training events of {service.run.folder} are not there")
        events = service.run.training_events(service.own)
        return cls(service, Similarities.of(events, service.own.items), counts)

    def nearest(self, item_id: str, k: int = 20) -> pl.DataFrame:
        """The k most similar items: `rank`, `item_id`, `similarity`, `events`, and perhaps `title`.

        Fewer, or none, where no more have users in common with it. Ties by the lower item number.
        """
        item = int(numbers_of("item", self.service.items["item_id"], [item_id])[0])
        known = item < len(self.counts)
        row = self.similarities.rows(item, item + 1) if known else self.similarities.rows(0, 1)
        order = np.lexsort((row.indices, -row.data))
        chosen = order[row.data[order] > 0][:k]
        columns = about_items(self.service, row.indices[chosen], self.counts, similarity=row.data[chosen])
        return pl.DataFrame({"rank": np.arange(1, len(chosen) + 1), **columns})
