"""Ranks by every baseline, each with the hyperparameters that are best on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
import torch

from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.baselines.baseline import AbstractBaseline, AbstractFeatureBaseline
from pixelrec.batch import Histories
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import seen_items
from pixelrec.errors import FeatureError
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.ranks import count_dense_ranks

SAMPLE = 10_000  # cases, at most, that baselines are tuned on
_SCORES = 12_000_000  # at a time: about 100 MB
_USERS = 1024  # at a time, at most


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


def contenders(items: int, features: Mapping[str, FeatureTable] | None = None) -> dict[str, Contender]:
    """All baselines for a catalogue of N `items` by name; those over features once for each table."""
    found = {
        name: Contender(partial(kind.candidates, items=items), kind.obstacle(items))
        for name, kind in BASELINES.items()
    }
    for source, table in (features or {}).items():
        for name, over in FEATURE_BASELINES.items():
            fitted = partial(_over_features, over, items, table)
            found[f"{name} ({source})"] = Contender(fitted, over.obstacle(items), table.digest)
    return found


def reads_features(name: str) -> bool:
    """Whether a baseline looks at features, by its name in `contenders`."""
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
    drawn, among = sample(validation), contenders(items) if among is None else among
    ranks, notes = dict(known.ranks), dict(known.notes)
    damaged: dict[str, str] = {}  # not saved: a file may be put back
    for name in known.missing(among):
        contender = among[name]
        on_start(name)
        if contender.obstacle is not None:
            notes[name] = contender.obstacle
        else:
            try:
                baseline = tune_baseline(contender, training, items, drawn)
            except FeatureError as error:
                damaged[name] = f"left out: {error}"
                continue
            if baseline.choice:
                notes[name] = baseline.choice
            ranks[name] = rank_by(baseline, items, cases)
        if save:
            save(BaselineRanks(ranks, notes))
    order = [name for name in among if name in ranks]
    return BaselineRanks({name: ranks[name] for name in order}, notes | damaged)


def sample(cases: EvaluationCases) -> EvaluationCases:
    """All cases, or 10,000 drawn with a fixed seed."""
    if len(cases) <= SAMPLE:
        return cases
    drawn = np.sort(np.random.default_rng(0).permutation(len(cases))[:SAMPLE])
    return replace(cases, users=cases.users[drawn], targets=cases.targets[drawn])


def tune_baseline(
    contender: Contender, training: Histories, items: int, validation: EvaluationCases
) -> AbstractBaseline:
    """The best candidate by NDCG@10 on `validation`; the first of equal ones."""
    return best_candidate(contender.candidates(training), items, validation)


def best_candidate(
    candidates: Iterable[AbstractBaseline], items: int, validation: EvaluationCases
) -> AbstractBaseline:
    """The one with the best NDCG@10 on `validation`; the first of equal ones."""

    def quality(candidate: AbstractBaseline) -> float:
        if not candidate.choice:
            return 0.0  # the only candidate
        return metrics(rank_by(candidate, items, validation), cutoffs=(10,))["NDCG@10"]

    return max(candidates, key=quality)  # keeps two in memory: they may be large


def rank_by(baseline: AbstractBaseline, items: int, cases: EvaluationCases) -> np.ndarray:
    """The rank of each case's target among all items that the user has not seen: int64[Q].

    As `ranks.count_ranks` defines it; scores that differ by no more than rounding tie.
    """
    ranks = np.empty(len(cases), np.int64)
    block = min(_USERS, max(1, _SCORES // (items + 1)))
    for start in range(0, len(ranks), block):
        part = slice(start, start + block)
        users = cases.users[part]
        scores = torch.from_numpy(baseline.scores(cases.histories, users))
        targets = torch.from_numpy(cases.targets[part])
        ranks[part] = count_dense_ranks(scores, targets, *seen_items(cases.histories, users)).numpy()
    return ranks
