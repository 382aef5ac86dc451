"""What runs recommend to a dozen users, with the covers of the items, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, final

import numpy as np
import polars as pl

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import latest, seen_items
from pixelrec.errors import ImageError
from pixelrec.images.store import PictureStore
from pixelrec.reports.view import Cover, OtherList, UserStory
from pixelrec.runs.blend import ranker_of
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks

STORIES = 12  # users shown
SHOWN = 10  # items of a history


@final
@dataclass(frozen=True)
class Covers:
    """Covers by item number, without pictures where the store cannot be read."""

    information: pl.DataFrame
    store: PictureStore | None
    problem: str = ""  # why pictures are missing
    damaged: dict[str, str] = field(default_factory=dict)  # by item id, of the pictures shown: why not

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        if not dataset.covers.exists():
            return cls(dataset.information, None)
        try:
            store = PictureStore.open(dataset.covers)
            absent = len(store.missing(list(dataset.item_ids)))
        except ImageError as error:
            return cls(dataset.information, None, f"not shown: {error}")
        problem = f"{absent:,} items have none: run `pixelrec images pack` again" if absent else ""
        return cls(dataset.information, store, problem)

    def show(self, numbers: Sequence[int]) -> list[Cover]:
        """Without padding, item number 0."""
        rows = self.information[[int(n) - 1 for n in numbers if n]]
        ids = rows["item_id"].to_list()
        titles = rows["title"].to_list() if "title" in rows.columns else [None] * len(ids)
        return [Cover(item, title, *self._picture(item)) for item, title in zip(ids, titles, strict=True)]

    def show_ids(self, notes: Mapping[str, str]) -> list[Cover]:
        """Items by id, with a note below each; those that are not in the data set are left out."""
        known = self.information["item_id"]
        numbers = [n for item in notes for n in (known == item).arg_true() + 1]
        return [_noted(cover, notes[cover.item_id]) for cover in self.show(numbers)]

    def _picture(self, item: str) -> tuple[np.ndarray | None, None, float | None]:
        """The picture, no note, and the aspect of the cover; none if it is missing or damaged."""
        if self.store is None or item not in self.store:
            return None, None, None
        try:
            return self.store.read([item])[0], None, float(self.store.aspects([item])[0])
        except ImageError as error:
            self.damaged[item] = str(error)
            return None, None, None


def _noted(cover: Cover, note: str) -> Cover:
    return Cover(cover.item_id, cover.title, cover.picture, note, cover.aspect)


@final
@dataclass(frozen=True)
class StoryTeller:
    dataset: Dataset
    cases: EvaluationCases
    covers: Covers

    def stories(
        self, run: Run, ranks: np.ndarray, others: Sequence[tuple[str, Run, SavedRanks]]
    ) -> list[UserStory]:
        """Of a dozen users drawn at random, by a run and by others, each with its name and ranks."""
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.cases))[:STORIES])
        users, histories = self.cases.users[chosen], self.cases.histories
        best = self._best(run, users)
        theirs = [(name, self._best(other, users), found.ranks) for name, other, found in others]
        seen, owners = seen_items(histories, users)
        shown, _ = latest(histories, users, SHOWN)
        return [
            UserStory(
                user_id=str(self.dataset.user_ids[int(user) - 1]),
                history=self.covers.show(shown[row]),
                recommended=self.covers.show(best[row]),
                answer=self.covers.show([self.cases.targets[case]])[0],
                rank=int(ranks[case]),
                ranked=self.dataset.items - len(seen[owners == row].unique()),
                events=int(histories.stops[user] - histories.starts[user]),
                others=[
                    OtherList(name, self.covers.show(lists[row]), int(each[case]))
                    for name, lists, each in theirs
                ],
            )
            for row, (user, case) in enumerate(zip(users, chosen, strict=True))
        ]

    def _best(self, run: Run, users: np.ndarray) -> np.ndarray:
        return ranker_of(run, self.dataset).top_items(self.cases, users)
