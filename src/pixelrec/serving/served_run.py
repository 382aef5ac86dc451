"""A run in the server: the recommender in memory, its data set, covers and metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Self, final

import numpy as np

from pixelrec.choices import Split
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.numbering import numbers_of
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import EvaluationCases
from pixelrec.recommender import Recommender
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.results import EvaluationResult, is_evaluated
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks
from pixelrec.serving.indices import Indices
from pixelrec.serving.served_atlas import Map, ServedAtlas

SPLITS: tuple[Split, ...] = ("test", "validation")  # the first that there is, is shown


@final
@dataclass(frozen=True, eq=False)
class ServedRun:
    """Immutable after `open`, apart from what is loaded when it is first needed; safe in many threads."""

    name: str  # in addresses: that of its folder, different from those of all other served runs
    service: RecommendationService
    evaluations: dict[Split, EvaluationResult]  # of the present weights, those that there are
    _loading: Lock = field(default_factory=Lock, repr=False)
    _mapping: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def open(cls, name: str, run: Run, data: Dataset | None = None, on_progress: OnProgress = ignore) -> Self:
        """Raises what `RecommendationService.open` does."""
        return cls(name, RecommendationService.open(run, data, (), on_progress), _evaluations(run))

    @property
    def run(self) -> Run:
        return self.service.run

    @property
    def dataset(self) -> Dataset | None:
        """Whose users are known: that of the training, or the one given to the server."""
        return None if self.service.events is None else self.service.events.dataset

    @cached_property
    def ranks(self) -> dict[Split, SavedRanks]:
        """The rank of each evaluated user's next item, by split."""
        return {split: SavedRanks.read(self.run.folder, split) for split in self.evaluations}

    @property
    def split(self) -> Split | None:
        """The one whose figures and users are shown: test, unless only validation was evaluated."""
        return next((split for split in SPLITS if split in self.evaluations), None)

    @cached_property
    def cases(self) -> dict[Split, EvaluationCases]:
        """The evaluated users of its own data set by split, in the order of `ranks`; empty without it."""
        own = self.service.own
        return {} if own is None else {split: cases_of(own, split) for split in self.evaluations}

    def encoder(self) -> Recommender:
        """The recommender with its item encoder, loaded once, for covers of new items.

        Raises `RequestError` where the run takes no pictures.
        """
        with self._loading:
            found = self.service.encoder
        found.items.picture_form()
        return found

    @property
    def atlas(self) -> ServedAtlas:
        """The map of its items, which may still have to be made."""
        with self._mapping:
            return self._atlas

    @cached_property
    def _atlas(self) -> ServedAtlas:
        return ServedAtlas(self._map)

    def _map(self, on_progress: OnProgress) -> Map:
        ranks = next((self.ranks[split] for split in SPLITS if split in self.ranks), None)
        return Map.of(self.service, self.counts, ranks, on_progress)

    @cached_property
    def indices(self) -> Indices:
        """Of its items."""
        return Indices(self.service)

    def number(self, item: str) -> int:
        """The number of an item in the tables of the run; raises `RequestError` if it is unknown."""
        return int(numbers_of("item", self.service.items["item_id"], [item])[0])

    @cached_property
    def counts(self) -> np.ndarray:
        """Training events of each item: int64[N + 1], by item number."""
        own = self.service.own
        if own is None:
            return np.zeros(len(self.service.items) + 1, np.int64)
        counts = item_counts(self.run.training_events(own), len(self.service.items))
        counts[0] = 0
        return counts


def _evaluations(run: Run) -> dict[Split, EvaluationResult]:
    found: dict[Split, EvaluationResult] = {}
    for split in SPLITS:
        if is_evaluated(run.folder, split):
            found[split] = EvaluationResult.read(run.folder, split)
    return found
