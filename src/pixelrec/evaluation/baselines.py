"""Ranks by every baseline, each with the hyperparameters that are best on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Self, final

import numpy as np

from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.baselines.baseline import AbstractBaseline, AbstractFeatureBaseline
from pixelrec.batch import Histories
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import FeatureError
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.ranker import AbstractDenseRanker, users_at_once

SAMPLE = 10_000  # cases, at most, that baselines are tuned on


@final
@dataclass(frozen=True)
class BaselineRanker(AbstractDenseRanker):
    baseline: AbstractBaseline
    items: int  # N
    chosen: np.ndarray | None = None

    @property
    def at_once(self) -> int:  # type: ignore[override]
        return users_at_once(self.items)

    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return self.baseline.scores(histories, rows)

    def among(self, items: np.ndarray) -> Self:
        return replace(self, chosen=items)


@final
@dataclass(frozen=True)
class Contender:
    """A baseline that can be ranked."""

    candidates: Callable[[Histories], Iterator[AbstractBaseline]]  # fitted to training events
    obstacle: str | None = None  # why it is left out
    digest: str = ""  # of the features that it looks at


@final
@dataclass(frozen=True)
class FeatureTable:
    """The vectors of a feature file for the items of a data set."""

    digest: str
    read: Callable[[], np.ndarray]
    """float32[N + 1, W], zero for padding and for items without features; a `FeatureError` of a damaged file
    leaves out the baselines over it.
    """


def over_events(items: int) -> dict[str, Contender]:
    """The baselines over events by name, for a catalogue of N `items`."""
    return {
        name: Contender(partial(kind.candidates, items=items), kind.obstacle(items))
        for name, kind in BASELINES.items()
    }


def over_features(items: int, table: FeatureTable) -> dict[str, Contender]:
    """The baselines over features by name."""
    return {
        name: Contender(partial(_over_features, kind, items, table), kind.obstacle(items), table.digest)
        for name, kind in FEATURE_BASELINES.items()
    }


def reads_features(name: str) -> bool:
    """Whether a baseline looks at features, by its name in a table."""
    return name.partition(" (")[0] in FEATURE_BASELINES


def _over_features(
    kind: type[AbstractFeatureBaseline], items: int, table: FeatureTable, training: Histories
) -> Iterator[AbstractBaseline]:
    return kind.candidates(training, items, table.read())


@final
@dataclass(frozen=True)
class BaselineRanks:
    ranks: Mapping[str, np.ndarray]  # by name: int64[Q]
    notes: Mapping[str, str]  # by name: its hyperparameters, or why it is left out; absent if neither applies

    def missing(self, among: Iterable[str]) -> list[str]:
        """Those that are neither ranked nor left out yet."""
        return [name for name in among if name not in self.ranks and name not in self.notes]


NONE = BaselineRanks({}, {})


def rank_baselines(
    training: Histories,
    items: int,
    validation: EvaluationCases,
    cases: EvaluationCases,
    on_start: OnProgress = ignore,
    known: BaselineRanks = NONE,
    save: Callable[[BaselineRanks], object] | None = None,
    among: Mapping[str, Contender] | None = None,
) -> BaselineRanks:
    """Fits every baseline to `training`, tunes it on `validation`, and ranks `cases`.

    items: N. known: earlier results, which are not computed again. save: called with all results so far after
    each baseline, as some take minutes. among: by default those over events.
    """
    drawn, among = sample(validation), over_events(items) if among is None else among
    ranks, notes = dict(known.ranks), dict(known.notes)
    damaged: dict[str, str] = {}  # not saved: a file may be put back
    for name in known.missing(among):
        contender = among[name]
        on_start(name)
        if contender.obstacle is not None:
            notes[name] = contender.obstacle
        else:
            try:
                baseline = best_candidate(contender.candidates(training), items, drawn)
            except FeatureError as error:
                damaged[name] = f"left out: {error}"
                continue
            if baseline.choice:
                notes[name] = baseline.choice
            ranks[name] = BaselineRanker(baseline, items).rank(cases)
        if save:
            save(BaselineRanks(ranks, notes))
    order = [name for name in among if name in ranks]
    return BaselineRanks({name: ranks[name] for name in order}, notes | damaged)


def sample(cases: EvaluationCases) -> EvaluationCases:
    """All cases, or 10,000 drawn with a fixed seed."""
    if len(cases) <= SAMPLE:
        return cases
    drawn = np.sort(np.random.default_rng(0).permutation(len(cases))[:SAMPLE])
    return cases.some(drawn)


def best_candidate(
    candidates: Iterable[AbstractBaseline], items: int, validation: EvaluationCases
) -> AbstractBaseline:
    """The one with the best NDCG@10 on `validation`; the first of equal ones."""

    def quality(candidate: AbstractBaseline) -> float:
        if not candidate.choice:
            return 0.0  # the only candidate
        return metrics(BaselineRanker(candidate, items).rank(validation), cutoffs=(10,))["NDCG@10"]

    return max(candidates, key=quality)  # keeps two in memory: they may be large
