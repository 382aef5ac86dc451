"""A blend: the weighted sum of scores of trained runs and baselines, as a run folder.

Each part's scores are standardised for each user, over all items. `best/` holds the weights, and names the
parts: runs by their folder and the SHA-256 of their weights, baselines by their hyperparameters, which are
fitted to training events again.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.batch import Histories
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, training_events
from pixelrec.data.views import seen_items
from pixelrec.errors import RunError
from pixelrec.evaluation.ranker import AbstractRanker, TrainedRanker
from pixelrec.evaluation.ranks import count_dense_ranks
from pixelrec.features.feature_file import FeatureFile
from pixelrec.files.checkpoint import read_checkpoint, weights_sha256, write_checkpoint
from pixelrec.numerics.top_k import dense_top_k
from pixelrec.runs.run import Run

WEIGHTS = "blend.weights"  # the tensor, float64[P]
_SCORES = 6_000_000  # of one part at a time: about 50 MB


class AbstractPart(ABC):
    """A model in a blend."""

    name: str
    needs_known_user: str = ""

    @abstractmethod
    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Scores of all items, float64[B, N + 1]; arguments as of `AbstractRanker.best`."""

    @abstractmethod
    def origin(self, folder: Path) -> dict[str, str]:
        """What finds it again from the `folder` of the blend, and tells whether it has changed."""


@final
@dataclass(frozen=True)
class RunPart(AbstractPart):
    name: str
    run: Run
    ranker: TrainedRanker
    sha256: str  # of its weights

    @classmethod
    def load(cls, run: Run, name: str, dataset: Dataset, on_progress: OnProgress = ignore) -> Self:
        """Raises `RunError` if it is a blend itself, no epoch has ended, or it is of other data."""
        run.demand_trained()
        sha256 = weights_sha256(run.demand_best())
        return cls(name, run, run.trained_ranker(run.dataset(dataset.folder), on_progress), sha256)

    @classmethod
    def find(cls, name: str, about: Mapping[str, str], dataset: Dataset, blend: Path) -> Self:
        """As `origin` described it; raises `RunError` if it is gone or was trained on since."""
        places = [Path(about["run"]), blend / about["from_here"]]
        place = next((each for each in places if each.exists()), None)
        again = "blend again, or put it back"
        if place is None:
            raise RunError(f"{blend}: its part {name} is no longer at {about['run']}; {again}")
        found = cls.load(Run.open(place), name, dataset)
        if found.sha256 != about["sha256"]:
            raise RunError(f"{blend}: its part {name}, {place}, has other weights than then; {again}")
        return found

    @property
    def needs_known_user(self) -> str:  # type: ignore[override]
        return self.ranker.needs_known_user

    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        return self.ranker.scores(histories, rows, users)

    def origin(self, folder: Path) -> dict[str, str]:
        there = self.run.folder.resolve()
        return {
            "run": str(there),
            "from_here": os.path.relpath(there, folder.resolve()),
            "sha256": self.sha256,
        }


@final
@dataclass(frozen=True)
class BaselinePart(AbstractPart):
    name: str
    baseline: AbstractBaseline
    features: FeatureFile | None = None

    @classmethod
    def fit(cls, name: str, choice: str, features: FeatureFile | None, dataset: Dataset, blend: Path) -> Self:
        """Fitted to training events with the hyperparameters of `choice`."""
        for found in candidates(name, features, dataset):
            if found.choice == choice:
                return cls(name, found, features)
        raise RunError(f"{blend}: its part {name} has {choice!r}, which is unknown here; blend again")

    @classmethod
    def find(cls, name: str, about: Mapping[str, str], dataset: Dataset, blend: Path) -> Self:
        features = None
        if "features" in about:
            features = FeatureFile.open(about["features"])
            if features.digest != about["digest"]:
                raise RunError(f"{blend}: {features.folder} holds other vectors than then; blend again")
        return cls.fit(name, about["choice"], features, dataset, blend)

    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return self.baseline.scores(histories, rows)

    def origin(self, folder: Path) -> dict[str, str]:  # noqa: ARG002
        found = {"choice": self.baseline.choice}
        if self.features is not None:
            found |= {"features": str(self.features.folder.resolve()), "digest": self.features.digest}
        return found


def candidates(name: str, features: FeatureFile | None, dataset: Dataset) -> Iterator[AbstractBaseline]:
    """A baseline fitted to training events for each point of its grid."""
    training = training_events(dataset)
    if features is None:
        return BASELINES[name].candidates(training, dataset.items)
    vectors = features.table(dataset.item_ids)
    return FEATURE_BASELINES[name].candidates(training, dataset.items, vectors)


@final
@dataclass(frozen=True)
class Blend(AbstractRanker):
    parts: Sequence[AbstractPart]
    weights: np.ndarray  # float64[P], ≥ 0, not all 0
    items: int  # N
    chosen: np.ndarray | None = None  # item numbers of the candidates, 0 first; none: all items
    needs_known_user: str = field(init=False)
    at_once: int = field(init=False)

    def __post_init__(self) -> None:
        needs = next((part.needs_known_user for part in self.used if part.needs_known_user), "")
        object.__setattr__(self, "needs_known_user", needs)
        object.__setattr__(self, "at_once", min(1024, max(1, _SCORES // (self.items + 1))))

    @property
    def used(self) -> list[AbstractPart]:
        """Parts with a weight."""
        return [part for part, weight in zip(self.parts, self.weights, strict=True) if weight]

    @classmethod
    def open(cls, run: Run, dataset: Dataset, on_progress: OnProgress = ignore) -> Self:
        """Loads the parts that have a weight, and fits baselines to training events.

        Raises `RunError` if a part is gone or has changed, or the blend is damaged.
        """
        best = run.demand_best()
        saved, tensors = read_checkpoint(best)
        weights, origins = tensors[WEIGHTS].numpy(), saved["parts"]
        if len(weights) != len(origins) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise RunError(
                f"{best}: its weights are {weights.tolist()}; expected one for each part, not all 0"
            )
        parts = []
        for (name, about), weight in zip(origins.items(), weights, strict=True):
            if weight:
                on_progress(f"loading {name}")
                kind = RunPart if "run" in about else BaselinePart
                parts.append(kind.find(name, about, dataset, run.folder))
        return cls(parts, weights[weights > 0], dataset.items)

    def write(self, folder: Path) -> None:
        """Writes `best` in the folder of a blend."""
        origins = {part.name: part.origin(folder) for part in self.parts}
        write_checkpoint(folder / "best", {"parts": origins}, {WEIGHTS: torch.from_numpy(self.weights)})

    def alone(self, part: int) -> Self:
        """One part, with the weight 1."""
        return replace(self, weights=np.eye(len(self.parts))[part])

    def standardised(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Scores of each part with a weight: float64[P, B, N + 1] of mean 0 and variance 1 over all items."""
        found = np.empty((len(self.used), len(rows), self.items + 1))
        for each, part in zip(found, self.used, strict=True):
            each[:] = part.scores(histories, rows, users)
            each[:, 0] = 0
            each[:, 1:] -= each[:, 1:].mean(1, keepdims=True)
            deviations = each[:, 1:].std(1, keepdims=True)
            each[:, 1:] /= np.where(deviations > 0, deviations, 1)
        return found

    def _scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> Tensor:
        """float64[B, N + 1]."""
        parts = self.standardised(histories, rows, users)
        return torch.from_numpy(np.tensordot(self.weights[self.weights > 0], parts, 1))

    def rank(self, cases: EvaluationCases) -> np.ndarray:
        ranks = np.empty(len(cases), np.int64)
        for start in range(0, len(ranks), self.at_once):
            part = slice(start, start + self.at_once)
            users, targets = cases.users[part], torch.from_numpy(cases.targets[part])
            scores = self._scores(cases.histories, users, users)
            ranks[part] = count_dense_ranks(scores, targets, *seen_items(cases.histories, users)).numpy()
        return ranks

    def among(self, items: np.ndarray) -> Self:
        return replace(self, chosen=items)

    def best(
        self,
        histories: Histories,
        rows: np.ndarray,
        users: np.ndarray,
        hidden: Tensor,
        owners: Tensor,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        scores = self._scores(histories, rows, users)
        if self.chosen is not None:
            scores = scores[:, torch.from_numpy(self.chosen)]
        found, places = dense_top_k(scores, min(k, scores.shape[1] - 1), hidden, owners)
        return found.float().numpy(), places.numpy()


def ranker_of(run: Run, dataset: Dataset, on_progress: OnProgress = ignore) -> AbstractRanker:
    """The ranker of a run, trained or blended."""
    if run.is_blend:
        return Blend.open(run, dataset, on_progress)
    return run.trained_ranker(dataset, on_progress)
