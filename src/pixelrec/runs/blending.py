"""Chooses the weights of a blend on validation, and writes its folder; test events are never read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from pixelrec.choices import Baseline
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, training_events
from pixelrec.data.views import seen_items
from pixelrec.errors import FeatureError, RequestError
from pixelrec.evaluation.baselines import Contender, best_candidate, over_events, over_features, sample
from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.metrics import metrics
from pixelrec.evaluation.ranker import users_at_once
from pixelrec.evaluation.weights import Contest, choose_weights
from pixelrec.features.feature_file import FeatureFile, opened_features
from pixelrec.runs.blend import Blend, Part, standardised
from pixelrec.runs.evaluate import cases_of, feature_table
from pixelrec.runs.new_run import about_now, write_run
from pixelrec.runs.place import claimed
from pixelrec.runs.run import BLEND, Run

NAMES: Mapping[Baseline, str] = {
    "random": "random",
    "popularity": "popularity",
    "recent-popularity": "recent popularity",
    "item-knn": "item-kNN",
    "ease": "EASE",
    "vis-rank": "VisRank",
    "l3ae": "L3AE",
}


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
    contenders = _contenders(names, features, dataset)
    with claimed(folder):
        dataset.verify()
        cases = cases_of(dataset, "validation")
        parts: list[Part] = []
        for run, name in zip(runs, _run_names(runs, names), strict=True):
            on_progress(f"loading {name}")
            parts.append(Part.trained(run, name, dataset, on_progress))
        training, drawn = training_events(dataset), sample(cases)
        for name, contender in contenders.items():
            on_progress(f"fitting {name}")
            best = best_candidate(contender.candidates(training), dataset.items, drawn)
            parts.append(Part.fitted(name, best, dataset.items))
        found = _choose(Blend(parts, np.ones(len(parts)), dataset.items), cases, on_progress)
        weights = {part.name: float(some) for part, some in zip(parts, found[0].weights, strict=True)}
        choices = {part.name: part.choice for part in parts}
        found[0].write(folder)
        about = {**about_now(folder, BLEND, "auto", dataset), BLEND: weights}
        run = write_run(folder, about, dataset)
    return BlendResult(run, weights, found[1], choices, len(cases))


def _only_features(dataset: Dataset) -> FeatureFile:
    """Raises a `PixelrecError` unless the data set has one sound file of vectors."""
    opened, damaged = opened_features(dataset.folder)
    files = [found for found in opened.values() if not found.is_codes]
    if damaged and not files:
        raise FeatureError(next(iter(damaged.values())))
    if len(files) != 1:
        raise RequestError(
            f"{dataset.folder} has {len(files) or 'no'} feature files of vectors; choose one for "
            "vis-rank and l3ae: --features PATH (features='PATH' in Python)"
        )
    return files[0]


def _run_names(runs: Sequence[Run], taken: Sequence[str]) -> Iterator[str]:
    """Different from each other and from baselines; those of one recipe name their folders."""
    used = {BLEND, *taken}
    used |= {run.name for run in runs if sum(other.name == run.name for other in runs) > 1}
    for run in runs:
        name = next(name for name in run.names if name not in used)
        used.add(name)
        yield name


def _contenders(names: Sequence[str], features: FeatureFile | None, dataset: Dataset) -> dict[str, Contender]:
    """Baselines by name; raises `RequestError` for one that cannot be fitted."""
    found = over_events(dataset.items)
    if set(names) - set(found):
        found |= over_features(dataset.items, feature_table(features or _only_features(dataset), dataset))
    for name in names:
        if obstacle := found[name].obstacle:
            raise RequestError(f"{name} cannot be a part: {obstacle}")
    return {name: found[name] for name in names}


def _choose(
    blend: Blend, cases: EvaluationCases, on_progress: OnProgress
) -> tuple[Blend, dict[str, dict[str, float]]]:
    """The blend with the best weights, and metrics of each part and of it over all cases.

    Over all cases it is never behind its best part: that is a blend, too.
    """
    on_progress("choosing weights")
    found = replace(
        blend, weights=choose_weights(Contest.of(_blocks(blend, sample(cases))), _ties(blend.parts))
    )
    on_progress("comparing with each part")
    measured = {part.name: metrics(blend.alone(n).rank(cases)) for n, part in enumerate(blend.parts)}
    own = metrics(found.rank(cases))
    best = max(range(len(blend.parts)), key=lambda number: measured[blend.parts[number].name][METRIC])
    if own[METRIC] < measured[blend.parts[best].name][METRIC]:
        found, own = blend.alone(best), measured[blend.parts[best].name]
    return found, {**measured, BLEND: own}


def _ties(parts: Sequence[Part]) -> np.ndarray:
    """int64[P]: the same number for runs of one recipe that differ in the seed alone."""
    keys = [
        part.name if part.run is None else json.dumps({**part.run.recipe.config, "seed": 0}, sort_keys=True)
        for part in parts
    ]
    return np.unique(keys, return_inverse=True)[1]


def _blocks(blend: Blend, cases: EvaluationCases) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    at_once = min(users_at_once(blend.items, len(blend.parts) + 2), blend.at_once)
    for start in range(0, len(cases), at_once):
        block = cases.some(slice(start, start + at_once))
        asked = (cases.histories, block.users, block.users)
        scores = np.stack([standardised(part.ranker.scores(*asked)) for part in blend.parts])
        seen, owners = seen_items(cases.histories, block.users)
        hidden = np.zeros(scores.shape[1:], bool)
        hidden[owners.numpy(), seen.numpy()] = hidden[:, 0] = True
        hidden[np.arange(len(block)), block.targets] = True
        yield scores, block.targets, hidden
