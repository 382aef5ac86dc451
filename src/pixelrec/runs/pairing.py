"""Two runs on the same questions, compared user by user: over all of them, and on each slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import METRIC, verdict_sentence
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import Interval, Verdict, paired
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, SLICES, slice_label
from pixelrec.runs.saved_ranks import KeptRanks, ranks_file, read_ranks


@final
@dataclass(frozen=True)
class Paired:
    """Metrics of one run less those of another, in fractions, on some questions.

    where: which items they are about, such as "items with < 5 training events (n = 123)"; empty for all.
    intervals: by metric.
    """

    where: str
    cases: int
    intervals: Mapping[str, Interval]

    @property
    def interval(self) -> Interval:
        """Of NDCG@10, which the verdict is about."""
        return self.intervals[METRIC]

    @property
    def verdict(self) -> Verdict:
        """Of the first run; `level` where the interval holds zero."""
        return self.interval.verdict

    def sentence(self, first: str, second: str) -> str:
        """For people, in percentage points; the runs go by these names."""
        return verdict_sentence(first, second, self.interval, self.where)


@final
@dataclass(frozen=True)
class Pairing:
    """One run less another; `slices` by name, without those of too few questions to compare anything."""

    overall: Paired
    slices: Mapping[str, Paired]

    @property
    def few(self) -> Paired | None:
        """On items with few training events."""
        return self.slices.get(LONG_TAIL.name)


def compare_runs(first: Path, second: Path, split: str) -> Pairing:
    """What the first folder's run has more of each metric than the second's, the same users paired.

    Raises:
        RunError: one of them was not evaluated on the split, or they are not of the same users, the same
            targets and the same training events.
        DataError: there are fewer than two users.
    """
    ours, theirs = read_ranks(first, split), read_ranks(second, split)
    files = f"{ranks_file(first, split)} and {ranks_file(second, split)}"
    remedy = "compare runs of one data set and split, evaluated again if the data set has changed"
    check_same_cases(ours, theirs, files, remedy)
    inside = {part: part.holds(ours.counts) for part in SLICES}
    slices = {
        part.name: _paired(ours.ranks[mask], theirs.ranks[mask], slice_label(part.events, int(mask.sum())))
        for part, mask in inside.items()
        if mask.sum() >= MIN_CASES
    }
    return Pairing(_paired(ours.ranks, theirs.ranks, ""), slices)


def _paired(ours: np.ndarray, theirs: np.ndarray, where: str) -> Paired:
    gain, loss = per_user(ours), per_user(theirs)
    return Paired(where, len(ours), {name: paired(gain[name], loss[name]) for name in gain})


def check_same_cases(ours: KeptRanks, theirs: KeptRanks, files: str, remedy: str) -> None:
    """Refuses to pair ranks whose users, targets or training events differ in any row.

    files: where both are from, for the message. remedy: the end of the message.
    """
    if len(ours.users) != len(theirs.users):
        raise RunError(f"{files} have {len(ours.users):,} and {len(theirs.users):,} users; {remedy}")
    for what, same in {
        "users": ours.users.equals(theirs.users),
        "targets": ours.items.equals(theirs.items),
        "training events": np.array_equal(ours.counts, theirs.counts),
    }.items():
        if not same:
            raise RunError(f"{files} differ in their {what}; {remedy}")
