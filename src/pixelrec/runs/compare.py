"""Two runs evaluated on the same cases, compared user by user: over all cases, and on each slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from pixelrec.choices import Split
from pixelrec.errors import RunError, command
from pixelrec.evaluation.comparison import Difference
from pixelrec.evaluation.significance import Interval
from pixelrec.evaluation.slices import LONG_TAIL, NEW, SLICES, SliceResult, slice_label
from pixelrec.runs.results import EvaluationResult, is_evaluated
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks, ranks_file


@final
@dataclass(frozen=True)
class RunDifference:
    """One run minus another, over all cases and by the name of each slice with enough cases."""

    overall: Difference
    slices: Mapping[str, Difference]

    @property
    def long_tail(self) -> Difference | None:
        return self.slices.get(LONG_TAIL.name)

    @classmethod
    def read(cls, first: Path, second: Path, split: str) -> Self:
        """From the ranks in two run folders.

        Raises `RunError` if a run was not evaluated on the split, or they are of different users, targets or
        training events, and `DataError` for fewer than two users.
        """
        ours, theirs = SavedRanks.read(first, split), SavedRanks.read(second, split)
        files = " and ".join(str(ranks_file(folder, split)) for folder in (first, second))
        mend = "compare runs of one data set and split; if the data set has changed, evaluate both again"
        ours.demand_same_cases(theirs, files, mend)
        slices = {
            part.name: Difference.of(
                ours.ranks[mask], theirs.ranks[mask], slice_label(part.events, mask.sum())
            )
            for part in SLICES
            if (mask := part.holds(ours.counts)).sum() >= part.min_cases
        }
        return cls(Difference.of(ours.ranks, theirs.ranks), slices)


@final
@dataclass(frozen=True)
class ComparedPart:
    """Both runs on some cases, metrics in fractions."""

    where: str  # the items concerned; empty for all
    cases: int
    first: Mapping[str, float]
    second: Mapping[str, float]
    median_ranks: tuple[float, float]
    differences: Mapping[str, Interval]  # the first run minus the second by metric; empty for too few cases


@final
@dataclass(frozen=True, repr=False)
class RunComparison:
    split: Split
    folders: tuple[Path, Path]
    names: tuple[str, str]  # different from each other
    results: tuple[EvaluationResult, EvaluationResult]
    difference: RunDifference  # the first run minus the second

    def __repr__(self) -> str:
        return f"RunComparison({self.split}: {self.sentence})"

    @classmethod
    def read(cls, first: Run, second: Run, split: Split) -> Self:
        """From the evaluations in the run folders.

        Raises `RequestError` for an unknown split, and `RunError` if the best checkpoint of a run was not
        evaluated on it, they are of different users or items, or both are the same run.
        """
        first.demand_measured()
        second.demand_measured()
        folders = (first.folder, second.folder)
        if folders[0].resolve() == folders[1].resolve():
            raise RunError(f"{folders[0]} is compared with itself; give two runs")
        if missing := [folder for folder in folders if not is_evaluated(folder, split)]:
            commands = " and ".join(f"`{command('evaluate', each, '--split', split)}`" for each in missing)
            raise RunError(
                f"the best checkpoint was not evaluated on {split}: {' and '.join(map(str, missing))}; "
                f"run {commands}"
            )
        names = next(pair for pair in zip(first.names, second.names, strict=True) if pair[0] != pair[1])
        results = (EvaluationResult.read(folders[0], split), EvaluationResult.read(folders[1], split))
        return cls(split, folders, names, results, RunDifference.read(*folders, split))

    @property
    def parts(self) -> list[ComparedPart]:
        """All cases, those of long-tail items, and those of new items, as far as there are any."""
        first, second = self.results
        parts = [self._part(first.overall, second.overall, self.difference.overall)]
        for name in (LONG_TAIL.name, NEW.name):
            ours, theirs = first.slice(name), second.slice(name)
            if ours is not None and theirs is not None:
                parts.append(self._part(ours, theirs, self.difference.slices.get(name)))
        return parts

    def _part(self, ours: SliceResult, theirs: SliceResult, found: Difference | None) -> ComparedPart:
        first, second = (result.model for result in self.results)
        return ComparedPart(
            ours.where,
            ours.cases,
            ours.metrics[first],
            theirs.metrics[second],
            (ours.median_ranks[first], theirs.median_ranks[second]),
            found.intervals if found else {},
        )

    @property
    def verdicts(self) -> list[Difference]:
        """Over all cases, over those of long-tail items, and of new items, if there are enough."""
        found = (self.difference.slices.get(name) for name in (LONG_TAIL.name, NEW.name))
        return [self.difference.overall, *(pair for pair in found if pair is not None)]

    @property
    def sentence(self) -> str:
        """The verdict over all cases in words."""
        return self.difference.overall.sentence(*self.names)
