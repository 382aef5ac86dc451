"""Two runs evaluated on the same cases, compared user by user: over all cases, and on each slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np

from pixelrec.choices import Split, check_split
from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import METRIC, verdict_sentence
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Interval, Verdict, paired
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, SLICES, slice_label
from pixelrec.runs.results import EvaluationResult, SavedRanks, is_evaluated, read_ranks, result_files
from pixelrec.runs.run import Run


@final
@dataclass(frozen=True)
class PairedDifference:
    """Metrics of one run minus those of another on some cases, in fractions."""

    where: str  # the items concerned: "items with < 5 training events (n = 123)"; empty for all
    cases: int
    intervals: Mapping[str, Interval]  # by metric

    @property
    def interval(self) -> Interval:
        """Of NDCG@10, which the verdict is about."""
        return self.intervals[METRIC]

    @property
    def verdict(self) -> Verdict:
        return self.interval.verdict

    def sentence(self, first: str, second: str) -> str:
        """The verdict in words and percentage points, with these names of the runs."""
        return verdict_sentence(first, second, self.interval, self.where)


@final
@dataclass(frozen=True)
class RunDifference:
    """One run minus another, over all cases and by the name of each slice with enough cases."""

    overall: PairedDifference
    slices: Mapping[str, PairedDifference]

    @property
    def long_tail(self) -> PairedDifference | None:
        return self.slices.get(LONG_TAIL.name)

    @classmethod
    def read(cls, first: Path, second: Path, split: str) -> Self:
        """From the ranks in two run folders.

        Raises `RunError` if a run was not evaluated on the split, or they are of different users, targets or
        training events, and `DataError` for fewer than two users.
        """
        ours, theirs = read_ranks(first, split), read_ranks(second, split)
        files = " and ".join(str(result_files(folder, split)[0]) for folder in (first, second))
        mend = "compare runs of one data set and split; if the data set has changed, evaluate both again"
        demand_same_cases(ours, theirs, files, mend)
        slices = {
            part.name: _paired(ours.ranks[mask], theirs.ranks[mask], slice_label(part.events, mask.sum()))
            for part in SLICES
            if (mask := part.holds(ours.counts)).sum() >= MIN_CASES
        }
        return cls(_paired(ours.ranks, theirs.ranks, ""), slices)


def _paired(ours: np.ndarray, theirs: np.ndarray, where: str) -> PairedDifference:
    first, second = per_user(ours), per_user(theirs)
    return PairedDifference(where, len(ours), {name: paired(first[name], second[name]) for name in first})


def demand_same_cases(ours: SavedRanks, theirs: SavedRanks, files: str, mend: str) -> None:
    """Raises `RunError` unless users, targets and training events are equal, row by row.

    files: of both, for the message. mend: the end of the message.
    """
    if len(ours.users) != len(theirs.users):
        raise RunError(f"{files} have {len(ours.users):,} and {len(theirs.users):,} users; {mend}")
    for what, same in {
        "users": ours.users.equals(theirs.users),
        "targets": ours.items.equals(theirs.items),
        "training events": np.array_equal(ours.counts, theirs.counts),
    }.items():
        if not same:
            raise RunError(f"{files} are of different {what}; {mend}")


@final
@dataclass(frozen=True)
class ComparedPart:
    """Both runs on some cases, metrics in fractions."""

    where: str  # the items concerned; empty for all
    cases: int
    first: Mapping[str, float]
    second: Mapping[str, float]
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
        check_split(split)
        folders = (first.folder, second.folder)
        if folders[0].resolve() == folders[1].resolve():
            raise RunError(f"{folders[0]} is compared with itself; give two runs")
        if missing := [folder for folder in folders if not is_evaluated(folder, split)]:
            commands = " and ".join(f"`pixelrec evaluate {folder} --split {split}`" for folder in missing)
            raise RunError(
                f"the best checkpoint was not evaluated on {split}: {' and '.join(map(str, missing))}; "
                f"run {commands}"
            )
        names = next(pair for pair in zip(first.names, second.names, strict=True) if pair[0] != pair[1])
        results = (EvaluationResult.read(folders[0], split), EvaluationResult.read(folders[1], split))
        return cls(split, folders, names, results, RunDifference.read(*folders, split))

    @property
    def parts(self) -> list[ComparedPart]:
        """All cases, and those of long-tail items if there are any."""
        first, second = self.results
        overall, long_tail = self.difference.overall, self.difference.long_tail
        parts = [ComparedPart("", overall.cases, first.own_metrics, second.own_metrics, overall.intervals)]
        ours, theirs = (result.slice(LONG_TAIL.name) for result in self.results)
        if ours is not None and theirs is not None:
            values = ours.metrics[first.model], theirs.metrics[second.model]
            intervals = long_tail.intervals if long_tail else {}
            parts.append(ComparedPart(ours.where, ours.cases, *values, intervals))
        return parts

    @property
    def verdicts(self) -> list[PairedDifference]:
        """Over all cases, and over those of long-tail items if there are enough."""
        return [pair for pair in (self.difference.overall, self.difference.long_tail) if pair is not None]

    @property
    def sentence(self) -> str:
        """The verdict over all cases in words."""
        return self.difference.overall.sentence(*self.names)
