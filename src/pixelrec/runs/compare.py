"""Two trained runs side by side: metrics of both, and how far apart they are, the same users pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, final

from pixelrec.choices import Split, check_split
from pixelrec.errors import RunError
from pixelrec.evaluation.significance import Interval
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.runs.pairing import Paired, Pairing, compare_runs
from pixelrec.runs.results import Measured, is_measured


class Evaluated(Protocol):
    """What of a run is compared. `names`: what it may be called, from the shortest on."""

    @property
    def folder(self) -> Path: ...
    @property
    def names(self) -> Sequence[str]: ...


@final
@dataclass(frozen=True)
class Part:
    """Both runs on some questions, metrics in fractions.

    where: which items they are about; empty for all.
    apart: the first run less the second by metric; empty where the questions are too few to compare.
    """

    where: str
    cases: int
    first: Mapping[str, float]
    second: Mapping[str, float]
    apart: Mapping[str, Interval]


@final
@dataclass(frozen=True)
class RunComparison:
    """Two runs on one split.

    names: of the first run and of the second, unlike each other.
    pairing: the first run less the second.
    """

    split: Split
    folders: tuple[Path, Path]
    names: tuple[str, str]
    measured: tuple[Measured, Measured]
    pairing: Pairing

    @classmethod
    def read(cls, first: Evaluated, second: Evaluated, split: Split) -> Self:
        """From what evaluations left in the run folders.

        Raises:
            RequestError: there is no such split.
            RunError: a run was not evaluated on it since its best checkpoint was made, they are not of the
                same users and items, or both are the same run.
        """
        check_split(split)
        folders = (first.folder, second.folder)
        if folders[0].resolve() == folders[1].resolve():
            raise RunError(f"{folders[0]} is compared with itself; give two runs")
        _demand_measured(folders, split)
        names = next(pair for pair in zip(first.names, second.names, strict=True) if pair[0] != pair[1])
        measured = (Measured.read(folders[0], split), Measured.read(folders[1], split))
        return cls(split, folders, names, measured, compare_runs(*folders, split))

    @property
    def parts(self) -> list[Part]:
        """All events, and those of long-tail items if there are any."""
        first, second = (each.metrics[each.model] for each in self.measured)
        overall, few = self.pairing.overall, self._few()
        return [Part("", overall.cases, first, second, overall.intervals), *([few] if few else [])]

    def _few(self) -> Part | None:
        first, second = (each.slice(LONG_TAIL.name) for each in self.measured)
        if first is None or second is None:
            return None
        models = [each.model for each in self.measured]
        apart = self.pairing.few.intervals if self.pairing.few else {}
        return Part(first.where, first.cases, first.metrics[models[0]], second.metrics[models[1]], apart)

    @property
    def verdicts(self) -> list[Paired]:
        """Over all events, and over those of long-tail items if they are enough."""
        return [pair for pair in (self.pairing.overall, self.pairing.few) if pair is not None]

    @property
    def sentence(self) -> str:
        """The verdict over all events, for people."""
        return self.pairing.overall.sentence(*self.names)


def _demand_measured(folders: Sequence[Path], split: str) -> None:
    absent = [folder for folder in folders if not is_measured(folder, split)]
    if absent:
        who = " and ".join(map(str, absent))
        commands = " and ".join(f"`pixelrec evaluate {folder} --split {split}`" for folder in absent)
        raise RunError(f"not evaluated on {split} since the best checkpoint was made: {who}; run {commands}")
