"""The map of a served run, made in a thread of its own when somebody first looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock, Thread
from typing import Self, final

import numpy as np
import polars as pl

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import ImageError
from pixelrec.images.store import PictureStore
from pixelrec.insight.atlas import Atlas
from pixelrec.insight.layers import Layer, layers_of
from pixelrec.insight.pyramid import Pyramid
from pixelrec.insight.tiles import Tiles
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.saved_ranks import SavedRanks


@final
@dataclass(frozen=True, eq=False)
class Map:
    """All that the page shows: items by row, which is their number less 1."""

    atlas: Atlas
    layers: tuple[Layer, ...]
    items: pl.DataFrame  # `item_id` and perhaps `title`
    tiles: Tiles

    @classmethod
    def of(
        cls,
        service: RecommendationService,
        counts: np.ndarray,
        ranks: SavedRanks | None,
        on_progress: OnProgress = ignore,
    ) -> Self:
        """Raises what `Atlas.of` does.

        counts: int[≥ N + 1]: training events by item number. ranks: of an evaluation.
        """
        atlas = Atlas.of(service, on_progress)
        items = service.items.head(len(atlas.cells))
        pyramid = Pyramid(atlas.side, atlas.cells, counts[1 : len(items) + 1])
        layers = tuple(layers_of(service, atlas.clusters, ranks))
        return cls(atlas, layers, items, Tiles(pyramid, items["item_id"], _store(service)))

    @property
    def pyramid(self) -> Pyramid:
        return self.tiles.pyramid

    @cached_property
    def points(self) -> bytes:
        """Column and row of every item, uint16, little-endian; then the values of each layer, uint8."""
        cells = np.ascontiguousarray(self.atlas.cells, "<u2").tobytes()
        return cells + b"".join(layer.values.tobytes() for layer in self.layers)

    def found(self, text: str, limit: int) -> np.ndarray:
        """int64[≤ limit]: rows of items whose id is or holds a text, or whose title does."""
        ids, sought = self.items["item_id"], text.strip()
        if not sought:
            return np.zeros(0, np.int64)
        within = ids.str.contains(sought, literal=True)
        if "title" in self.items.columns:
            titles = self.items["title"].cast(pl.String).fill_null("").str.to_lowercase()
            within |= titles.str.contains(sought.lower(), literal=True)
        order = self.pyramid.order
        ranked = order[within.to_numpy()[order]]
        exact = np.flatnonzero((ids == sought).to_numpy())
        return np.concatenate([exact, ranked[~np.isin(ranked, exact)]])[:limit]


@final
class ServedAtlas:
    """Made once, in a thread of its own; may be used by many threads at once."""

    def __init__(self, make: Callable[[OnProgress], Map]) -> None:
        self._make, self._lock = make, Lock()
        self._thread: Thread | None = None
        self._map: Map | None = None
        self._error: Exception | None = None
        self.progress = "mapping items"  # a line of text

    def ready(self, wait: float = 0) -> Map | None:
        """The map; none while it is being made, which the first call begins. Raises what making it raised.

        wait: seconds at most until it is there.
        """
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="atlas", daemon=True)
                self._thread.start()
        if wait:
            self._thread.join(wait)
        if self._error is not None:
            raise self._error
        return self._map

    def _run(self) -> None:
        try:
            self._map = self._make(self._tell)
        except Exception as error:  # raised to those who ask for the map
            self._error = error

    def _tell(self, line: str) -> None:
        self.progress = line


def _store(service: RecommendationService) -> PictureStore | None:
    """The covers of its items, if they can be read."""
    dataset = service.own or (service.events and service.events.dataset)
    if dataset is None or not dataset.covers.exists():
        return None
    try:
        return PictureStore.open(dataset.covers)
    except ImageError:
        return None
