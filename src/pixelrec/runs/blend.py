"""A blend: the weighted sum of scores of trained runs and baselines, as a run folder.

Each part's scores are standardised for each user, over all items. `best/` holds the weights, the fitted
baselines, and for each run its folder and the SHA-256 of its weights.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.baselines import VERSION
from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.baselines.stored import arrays_of, restored
from pixelrec.batch import Histories
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RunError
from pixelrec.evaluation.baselines import BaselineRanker
from pixelrec.evaluation.ranker import AbstractDenseRanker, AbstractRanker, users_at_once
from pixelrec.files.checkpoint import read_checkpoint, weights_sha256, write_checkpoint
from pixelrec.runs.run import Run

WEIGHTS = "blend.weights"  # the tensor, float64[P]


@final
@dataclass(frozen=True)
class Part:
    """A model in a blend: a run and the SHA-256 of its weights, or a baseline."""

    name: str
    ranker: AbstractRanker
    run: Run | None = None
    sha256: str = ""
    baseline: AbstractBaseline | None = None

    @classmethod
    def trained(cls, run: Run, name: str, dataset: Dataset, on_progress: OnProgress = ignore) -> Self:
        """Raises `RunError` if it is a blend itself or final, no epoch has ended, or it is of other data."""
        run.demand_trained()
        run.demand_measured()
        sha256 = weights_sha256(run.demand_best())
        return cls(name, run.trained_ranker(run.dataset(dataset.folder), on_progress), run, sha256)

    @classmethod
    def fitted(cls, name: str, baseline: AbstractBaseline, items: int) -> Self:
        return cls(name, BaselineRanker(baseline, items), baseline=baseline)

    @classmethod
    def found(cls, name: str, about: Mapping[str, str], dataset: Dataset, blend: Path) -> Self:
        """A run that `origin` described; raises `RunError` if it is gone or was trained on since."""
        places = [Path(about["run"]), blend / about["from_here"]]
        place = next((each for each in places if each.exists()), None)
        again = "blend again, or put it back"
        if place is None:
            raise RunError(f"{blend}: its part {name} is no longer at {about['run']}; {again}")
        part = cls.trained(Run.open(place), name, dataset)
        if part.sha256 != about["sha256"]:
            raise RunError(f"{blend}: its part {name}, {place}, has other weights than then; {again}")
        return part

    @property
    def choice(self) -> str:
        """Hyperparameters of a baseline; empty for a run."""
        return self.baseline.choice if self.baseline else ""

    def origin(self, folder: Path) -> dict[str, str]:
        """Where a run is, seen from the `folder` of the blend, too; hyperparameters of a baseline."""
        if self.run is None:
            return {"choice": self.choice}
        there = self.run.folder.resolve()
        return {
            "run": str(there),
            "from_here": os.path.relpath(there, folder.resolve()),
            "sha256": self.sha256,
        }


@final
@dataclass(frozen=True)
class Blend(AbstractDenseRanker):
    parts: Sequence[Part]
    weights: np.ndarray  # float64[P], ≥ 0, not all 0
    items: int  # N
    chosen: np.ndarray | None = None

    @cached_property
    def needs_known_user(self) -> str:  # type: ignore[override]
        return next((name for part in self.used if (name := part.ranker.needs_known_user)), "")

    @property
    def looks_at_histories(self) -> bool:  # type: ignore[override]
        return any(part.ranker.looks_at_histories for part in self.used)

    @cached_property
    def at_once(self) -> int:  # type: ignore[override]
        return min([users_at_once(self.items, 2), *(part.ranker.at_once for part in self.used)])

    @cached_property
    def used(self) -> list[Part]:
        """Parts with a weight."""
        return [part for part, weight in zip(self.parts, self.weights, strict=True) if weight]

    @classmethod
    def open(cls, run: Run, dataset: Dataset, on_progress: OnProgress = ignore) -> Self:
        """Loads the parts that have a weight.

        Raises `RunError` if a run is gone or has changed, or the blend is damaged or of another version.
        """
        best = run.demand_best()
        saved, tensors = read_checkpoint(best)
        weights, origins = tensors[WEIGHTS].numpy(), saved["parts"]
        if len(weights) != len(origins) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise RunError(
                f"{best}: its weights are {weights.tolist()}; expected one for each part, not all 0"
            )
        if saved.get("baselines") != VERSION:
            raise RunError(f"{best}: its baselines were fitted by another version of pixelrec; blend again")
        parts = []
        for number, ((name, about), weight) in enumerate(zip(origins.items(), weights, strict=True)):
            if not weight:
                continue
            on_progress(f"loading {name}")
            if "run" in about:
                parts.append(Part.found(name, about, dataset, run.folder))
            else:
                parts.append(Part.fitted(name, restored(name, _arrays(tensors, number)), dataset.items))
        return cls(parts, weights[weights > 0], dataset.items)

    def write(self, folder: Path) -> None:
        """Writes `best` in the folder of a blend; baselines without weight are left out."""
        tensors = {WEIGHTS: torch.from_numpy(self.weights)}
        for number, part in enumerate(self.parts):
            if part.baseline is not None and self.weights[number]:
                arrays = arrays_of(part.baseline)
                tensors |= {f"{_section(number)}{name}": torch.from_numpy(a) for name, a in arrays.items()}
        origins = {part.name: part.origin(folder) for part in self.parts}
        write_checkpoint(folder / "best", {"parts": origins, "baselines": VERSION}, tensors)

    def alone(self, part: int) -> Self:
        """One part, with the weight 1."""
        return replace(self, weights=np.eye(len(self.parts))[part])

    def scores(self, histories: Histories, rows: np.ndarray, users: np.ndarray) -> np.ndarray:
        total = np.zeros((len(rows), self.items + 1))
        for part, weight in zip(self.used, self.weights[self.weights > 0], strict=True):
            total += weight * standardised(part.ranker.scores(histories, rows, users))
        return total

    def among(self, items: np.ndarray) -> Self:
        return replace(self, chosen=items)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Scores of mean 0 and variance 1 over all items of each user: float64[B, N + 1]; padding is 0."""
    found = scores - scores[:, 1:].mean(1, keepdims=True)
    deviations = found[:, 1:].std(1, keepdims=True)
    found /= np.where(deviations > 0, deviations, 1)
    found[:, 0] = 0
    return found


def _section(number: int) -> str:
    """Of the tensors of a part: a section of its own, which has a digest."""
    return f"part{number}."


def _arrays(tensors: Mapping[str, Tensor], number: int) -> dict[str, np.ndarray]:
    own = _section(number)
    return {key.removeprefix(own): t.numpy() for key, t in tensors.items() if key.startswith(own)}


def ranker_of(run: Run, dataset: Dataset, on_progress: OnProgress = ignore) -> AbstractRanker:
    """The ranker of a run, trained or blended."""
    if run.is_blend:
        return Blend.open(run, dataset, on_progress)
    return run.trained_ranker(dataset, on_progress)
