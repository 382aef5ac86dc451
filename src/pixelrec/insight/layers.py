"""What items of a map are coloured by: a number from 0 to 254 for each, and what its ends mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

import numpy as np
import polars as pl

from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.views import places_of
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.saved_ranks import SavedRanks

NONE = 255  # of an item without the property: drawn grey
TOP = 254


@final
@dataclass(frozen=True, eq=False)
class Layer:
    name: str
    about: str  # a line of text
    values: np.ndarray  # uint8[N]
    low: str = ""  # meaning of 0
    high: str = ""  # meaning of 254
    groups: int = 0  # number of clusters: values are theirs, and no scale


def layers_of(
    service: RecommendationService, clusters: np.ndarray, ranks: SavedRanks | None
) -> Sequence[Layer]:
    """Those that a run has: popularity and age of the events it was trained on, clusters, and error."""
    dataset, items = service.own, len(clusters)
    found = []
    if dataset is not None:
        history = service.run.training_events(dataset)
        found += [popularity(item_counts(history, items)[1:])]
        found += [age(history, dataset, items)]
    found.append(cluster(clusters))
    if ranks is not None:
        found.append(error(ranks, service.items["item_id"].head(items)))
    return found


def popularity(counts: np.ndarray) -> Layer:
    """counts: int64[N] training events of each item; the scale is logarithmic."""
    most = int(counts.max(initial=0))
    values = _scaled(np.log1p(counts), math.log1p(most))
    about = "training events, on a logarithmic scale"
    return Layer("popularity", about, values, "0", f"{most:,}")


def age(history: Histories, dataset: Dataset, items: int) -> Layer:
    """The time of the first training event of each item."""
    _, places = places_of(history, np.arange(len(history.starts)))  # validation events lie between them
    first = np.full(items + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, history.items[places], history.times[places])
    seen = first[1:] < np.iinfo(np.int64).max
    times = first[1:].astype(np.float64)
    low, high = (float(f(times[seen])) if seen.any() else 0.0 for f in (np.min, np.max))
    values = np.where(seen, _scaled(np.where(seen, times, low) - low, high - low), NONE).astype(np.uint8)
    about = "first training event" if dataset.has_times else "row of the first training event"
    first_day, last_day = (_moment(time) if dataset.has_times else f"{time + 1:,.0f}" for time in (low, high))
    return Layer("age", about, values, first_day, last_day)


def cluster(clusters: np.ndarray) -> Layer:
    groups = int(clusters.max(initial=-1)) + 1
    return Layer("cluster", "k-means of the item vectors", clusters.astype(np.uint8), groups=groups)


def error(ranks: SavedRanks, ids: pl.Series) -> Layer:
    """The mean reciprocal rank of each item where it was the next item of an evaluated user.

    The scale is that of the logarithm of its inverse, the harmonic mean of the ranks.
    """
    cases = pl.DataFrame({"item_id": ranks.table["item_id"].cast(pl.String), "score": 1 / ranks.ranks})
    means = cases.group_by("item_id").agg(pl.col("score").mean())
    found = pl.DataFrame({"item_id": ids}).join(means, "item_id", "left", maintain_order="left")["score"]
    score = found.fill_null(1.0).to_numpy()
    worst = max(len(ids), 2)
    values = _scaled(math.log(worst) + np.log(score), math.log(worst))
    about = "mean rank as the next item of evaluated users (harmonic mean)"
    shown = np.where(found.is_null().to_numpy(), NONE, values).astype(np.uint8)
    return Layer("error", about, shown, f"{len(ids):,}", "1")


def _scaled(values: np.ndarray, high: float) -> np.ndarray:
    """uint8: from 0 to `high`, as 0 to 254."""
    return np.round(np.clip(values / high if high > 0 else values * 0, 0, 1) * TOP).astype(np.uint8)


def _moment(time: float) -> str:
    """A day; times of a source may lie outside the calendar."""
    try:
        return datetime.fromtimestamp(time, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{time:,.0f} s"
