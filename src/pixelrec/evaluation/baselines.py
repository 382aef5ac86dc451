"""Ranks by every baseline, each with the choices that validation prefers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch

from pixelrec.baselines import BASELINES
from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.batch import Histories
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import seen_items
from pixelrec.evaluation.dense_ranks import count_dense_ranks
from pixelrec.evaluation.metrics import metrics

CHOOSERS = 10_000  # validation questions, at most, that choose
_SCORES = 12_000_000  # at a time: about 100 MB
_USERS = 1024  # at a time, at most

Tell = Callable[[str], object]


def silent(_said: str) -> None:
    """Tells nobody."""


@final
@dataclass(frozen=True)
class BaselineRanks:
    """What every baseline reaches on Q questions."""

    ranks: Mapping[str, np.ndarray]  # by name: int64[Q]
    notes: Mapping[str, str]  # by name: what was chosen, or why it is left out; nothing where neither is so

    @property
    def missing(self) -> list[str]:
        """Baselines of which nothing is known yet."""
        return [name for name in BASELINES if name not in self.ranks and name not in self.notes]


NONE = BaselineRanks({}, {})


def rank_baselines(
    training: Histories,
    items: int,
    validation: EvaluationCases,
    cases: EvaluationCases,
    tell: Tell = silent,
    known: BaselineRanks = NONE,
    keep: Callable[[BaselineRanks], object] | None = None,
) -> BaselineRanks:
    """Fits every baseline to `training`, chooses by `validation`, and ranks `questions`.

    items: N. tell: hears which baseline is at work. known: what is there already. keep: gets what is there
    whenever there is more, as some take minutes.
    """
    asked = validation_sample(validation)
    ranks, notes = dict(known.ranks), dict(known.notes)
    for name in known.missing:
        kind = BASELINES[name]
        tell(name)
        obstacle = kind.obstacle(items)
        if obstacle is not None:
            notes[name] = obstacle
        else:
            baseline = choose(kind, training, items, asked)
            if baseline.choice:
                notes[name] = baseline.choice
            ranks[name] = rank_by(baseline, items, cases)
        if keep:
            keep(BaselineRanks(ranks, notes))
    return BaselineRanks(ranks, notes)


def validation_sample(validation: EvaluationCases) -> EvaluationCases:
    """The questions that choose: all, or 10,000 drawn the same way every time."""
    if len(validation) <= CHOOSERS:
        return validation
    drawn = np.sort(np.random.default_rng(0).permutation(len(validation))[:CHOOSERS])
    return replace(validation, users=validation.users[drawn], targets=validation.targets[drawn])


def choose(
    kind: type[AbstractBaseline], training: Histories, items: int, validation: EvaluationCases
) -> AbstractBaseline:
    """The candidate with the best NDCG@10 on `validation`; of equal ones the first."""

    def quality(candidate: AbstractBaseline) -> float:
        if not candidate.choice:
            return 0.0  # it stands alone
        return metrics(rank_by(candidate, items, validation), cutoffs=(10,))["NDCG@10"]

    return max(kind.candidates(training, items), key=quality)  # holds two at a time: they may be large


def rank_by(baseline: AbstractBaseline, items: int, cases: EvaluationCases) -> np.ndarray:
    """The rank of each question's target among all items that the user has not seen: int64[Q].

    As `ranks.count_ranks` defines it; scores that differ by no more than rounding tie.
    """
    ranks = np.empty(len(cases), np.int64)
    users = min(_USERS, max(1, _SCORES // (items + 1)))
    for start in range(0, len(ranks), users):
        part = slice(start, start + users)
        asked = cases.users[part]
        scores = torch.from_numpy(baseline.scores(cases.histories, asked))
        targets = torch.from_numpy(cases.targets[part])
        ranks[part] = count_dense_ranks(scores, targets, *seen_items(cases.histories, asked)).numpy()
    return ranks
