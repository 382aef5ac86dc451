"""Chooses the weights of a blend on validation, and writes its folder; test events are never read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import final

import numpy as np
import torch

from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.choices import Baseline
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import seen_items
from pixelrec.errors import RequestError
from pixelrec.evaluation.baselines import best_candidate, sample
from pixelrec.evaluation.comparison import LISTED, METRIC
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.ranks import count_dense_ranks
from pixelrec.features.feature_file import FeatureFile
from pixelrec.runs.blend import AbstractPart, BaselinePart, Blend, RunPart, candidates
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.place import claimed
from pixelrec.runs.run import BLEND, Run, about_now

STEPS = (0.5, 0.2, 0.1, 0.05, 0.02)  # by which one weight is changed
ROUNDS = 12  # at most, of changes of one weight
NAMES: Mapping[Baseline, str] = {
    "random": "random",
    "popularity": "popularity",
    "recent-popularity": "recent popularity",
    "item-knn": "item-kNN",
    "ease": "EASE",
    "vis-rank": "VisRank",
    "l3ae": "L3AE",
}
_DECIMALS = 4  # of weights


@final
@dataclass(frozen=True, repr=False)
class BlendResult:
    """A finished blend and its figures on validation, in fractions."""

    run: Run
    weights: Mapping[str, float]  # by part; they sum to 1
    metrics: Mapping[str, Mapping[str, float]]  # of each part alone, and of the blend
    choices: Mapping[str, str]  # hyperparameters of baselines
    cases: int

    def __repr__(self) -> str:
        return f"BlendResult({str(self.run.folder)!r}: {dict(self.weights)})"

    @property
    def best_part(self) -> str:
        """By NDCG@10."""
        return max(self.weights, key=lambda name: self.metrics[name][METRIC])


def blend_models(
    runs: Sequence[Run],
    baselines: Sequence[Baseline],
    features: FeatureFile | None,
    dataset: Dataset,
    folder: Path,
    on_progress: OnProgress = ignore,
) -> BlendResult:
    """Blends two or more different runs and baselines, named as in `choices.BASELINES`.

    features: of baselines that need vectors. Raises `RequestError` for a baseline that cannot be fitted, and
    `RunError` for a run of other data or without a finished epoch.
    """
    names = [NAMES[name] for name in baselines]
    if features is None and set(names) & set(FEATURE_BASELINES):
        features = _only_features(dataset)
    with claimed(folder):
        dataset.verify()
        cases = cases_of(dataset, "validation")
        drawn = sample(cases)
        parts: list[AbstractPart] = []
        for run, name in zip(runs, _run_names(runs, names), strict=True):
            on_progress(f"loading {name}")
            parts.append(RunPart.load(run, name, dataset, on_progress))
        for name in names:
            on_progress(f"fitting {name}")
            parts.append(_baseline(name, features, dataset, drawn))
        found = _choose(Blend(parts, np.ones(len(parts)), dataset.items), cases, drawn, on_progress)
        weights = {part.name: float(some) for part, some in zip(parts, found[0].weights, strict=True)}
        choices = {part.name: part.origin(folder).get("choice", "") for part in parts}
        found[0].write(folder)
        about = {**about_now(folder, BLEND, "auto", dataset), BLEND: weights}
        run = Run.write(folder, about, dataset)
    return BlendResult(run, weights, found[1], choices, len(cases))


def _only_features(dataset: Dataset) -> FeatureFile:
    """Raises `RequestError` unless the data set has one file of vectors."""
    files = [found for path in dataset.features.values() if not (found := FeatureFile.open(path)).is_codes]
    if len(files) != 1:
        raise RequestError(
            f"{dataset.folder} has {len(files)} feature files of vectors; choose one for vis-rank and l3ae: "
            "--features PATH (features='PATH' in Python)"
        )
    return files[0]


def _run_names(runs: Sequence[Run], taken: Sequence[str]) -> Iterator[str]:
    """Different from each other and from baselines."""
    used = {BLEND, *taken}
    for run in runs:
        name = next(name for name in run.names if name not in used)
        used.add(name)
        yield name


def _baseline(
    name: str, features: FeatureFile | None, dataset: Dataset, cases: EvaluationCases
) -> BaselinePart:
    kind = BASELINES[name] if name in BASELINES else FEATURE_BASELINES[name]
    if obstacle := kind.obstacle(dataset.items):
        raise RequestError(f"{name} cannot be a part: {obstacle}")
    used = features if name in FEATURE_BASELINES else None
    return BaselinePart(name, best_candidate(candidates(name, used, dataset), dataset.items, cases), used)


def _choose(
    blend: Blend, cases: EvaluationCases, drawn: EvaluationCases, on_progress: OnProgress
) -> tuple[Blend, dict[str, dict[str, float]]]:
    """The blend with the best weights, and metrics of each part and of it over all cases.

    Weights are searched on `drawn`. Over all cases it is never behind its best part: that is a blend, too.
    """
    found = replace(blend, weights=_search(blend, drawn, on_progress))
    on_progress("comparing with each part")
    measured = {
        part.name: metrics(blend.alone(number).rank(cases)) for number, part in enumerate(blend.parts)
    }
    own = metrics(found.rank(cases))
    best = max(range(len(blend.parts)), key=lambda number: measured[blend.parts[number].name][METRIC])
    if own[METRIC] < measured[blend.parts[best].name][METRIC]:
        found, own = blend.alone(best), measured[blend.parts[best].name]
    return found, {**measured, BLEND: own}


def _search(blend: Blend, cases: EvaluationCases, on_progress: OnProgress) -> np.ndarray:
    """Weights by NDCG@10: from the best of single parts, pairs and all, one weight is changed at a time."""
    count = len(blend.parts)
    groups = [some for size in {1, 2, count} for some in combinations(range(count), size)]
    tried = np.array([np.isin(np.arange(count), some) / len(some) for some in groups])
    best, value = np.zeros(count), -1.0
    for number in range(ROUNDS):
        on_progress(f"choosing weights: round {number + 1}")
        values = _qualities(blend, tried, cases)
        if values.max() <= value:
            break
        best, value = tried[int(values.argmax())], float(values.max())
        tried = _neighbours(best)
    return best


def _neighbours(weights: np.ndarray) -> np.ndarray:
    """Weights with one of them a step larger or smaller, and the sum 1."""
    found = []
    for step in (*STEPS, *(-step for step in STEPS)):
        for place in range(len(weights)):
            some = weights.copy()
            some[place] = max(0, some[place] + step)
            if some.sum() > 0:
                found.append(np.round(some / some.sum(), _DECIMALS))
    return np.unique(found, axis=0)


def _qualities(blend: Blend, tried: np.ndarray, cases: EvaluationCases) -> np.ndarray:
    """NDCG@10 of each row of weights (C, P): float64[C]."""
    gain, total = 1 / np.log2(np.arange(2, LISTED + 2)), np.zeros(len(tried))
    for start in range(0, len(cases), blend.at_once):
        block = slice(start, start + blend.at_once)
        users, targets = cases.users[block], cases.targets[block]
        scores = blend.standardised(cases.histories, users, users)
        alive = _reachable(scores, targets, cases, users)
        scores, wanted = scores[:, alive], torch.from_numpy(targets[alive])
        seen = seen_items(cases.histories, users[alive])
        for row, weights in enumerate(tried):
            mixed = torch.from_numpy(np.tensordot(weights, scores, 1))
            ranks = count_dense_ranks(mixed, wanted, *seen).numpy()
            total[row] += gain[ranks[ranks <= LISTED] - 1].sum()
    return total / len(cases)


def _reachable(
    scores: np.ndarray, targets: np.ndarray, cases: EvaluationCases, users: np.ndarray
) -> np.ndarray:
    """Users whose target may be among the first ten for some weights: no ten items beat it in every part."""
    everyone = np.arange(len(users))
    ahead = np.all(scores >= scores[:, everyone, targets][:, :, None], axis=0)
    seen, owners = seen_items(cases.histories, users)
    ahead[owners.numpy(), seen.numpy()] = False
    ahead[:, 0] = False
    ahead[everyone, targets] = False
    return np.flatnonzero(ahead.sum(1) < LISTED)
