"""All that a server holds: its runs, and the covers of their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self, final

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError, nearest
from pixelrec.reports.thumbnails import common_aspect
from pixelrec.runs.run import Run
from pixelrec.runs.stories import Covers
from pixelrec.serving.compared_runs import ComparedRuns, compared_runs
from pixelrec.serving.limits import Limits
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shelf import Shelf

_MEASURED = 200  # covers


@final
@dataclass(frozen=True, eq=False)
class Shop:
    runs: Mapping[str, ServedRun]  # by name, in the order given; at least one
    limits: Limits = Limits()
    sample: frozenset[str] | None = None  # the users shown, by id; none: all
    shelf: Shelf = field(default_factory=Shelf, repr=False)  # pictures of new covers

    @classmethod
    def open(
        cls,
        runs: Sequence[Run],
        data: Dataset | None = None,
        limits: Limits | None = None,
        on_progress: OnProgress = ignore,
    ) -> Self:
        """Loads runs; raises what `RecommendationService.open` does."""
        names = _names(runs)
        opened = {}
        for name, run in zip(names, runs, strict=True):
            on_progress(f"loading {name}")
            opened[name] = ServedRun.open(name, run, data, on_progress)
        return cls(opened, limits or Limits())

    @property
    def first(self) -> ServedRun:
        return next(iter(self.runs.values()))

    def run(self, name: str | None) -> ServedRun:
        """A run by its name, by default the first; raises `RequestError` for an unknown one."""
        if name is None:
            return self.first
        if name not in self.runs:
            raise RequestError(f"this server has no run {name!r}; {nearest(name, self.runs)}")
        return self.runs[name]

    @cached_property
    def dataset(self) -> Dataset | None:
        """The first run's that has one: whose users, titles and covers the pages show."""
        return next((run.dataset for run in self.runs.values() if run.dataset is not None), None)

    @cached_property
    def covers(self) -> Covers | None:
        return None if self.dataset is None else Covers.of(self.dataset)

    @cached_property
    def compared(self) -> list[ComparedRuns]:
        """Runs that were evaluated on the same users, and their figures; a run may be alone."""
        return compared_runs(list(self.runs.values()))

    def others(self, run: ServedRun) -> list[ServedRun]:
        """The other runs that know the same users, whose lists can stand beside those of a run."""
        mine = run.dataset
        return [
            other
            for other in self.runs.values()
            if other is not run
            and (None if other.dataset is None else other.dataset.fingerprint)
            == (None if mine is None else mine.fingerprint)
        ]

    @cached_property
    def aspect(self) -> float:
        """Width / height of all tiles of the pages: that of most covers, as some of them have it."""
        if self.covers is None or self.covers.store is None:
            return 1.0
        some, store = self.covers.information["item_id"].head(_MEASURED).to_list(), self.covers.store
        absent = set(store.missing(some))
        return common_aspect([float(each) for each in store.aspects([i for i in some if i not in absent])])


def _names(runs: Sequence[Run]) -> list[str]:
    """That of each folder, with a number where several have the same."""
    found: list[str] = []
    for run in runs:
        name = run.folder.resolve().name
        taken = sum(each == name or each.startswith(f"{name}-") for each in found)
        found.append(f"{name}-{taken + 1}" if name in found else name)
    return found
