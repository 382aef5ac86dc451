"""Ranks of baselines, kept inside the data set: whatever model comes, they are the same."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pixelrec.baselines import VERSION
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError
from pixelrec.evaluation.baselines import NONE, BaselineRanks
from pixelrec.files.atomic import new_file


def read_rivals(dataset: Dataset, cases: EvaluationCases) -> BaselineRanks:
    """What `keep_rivals` wrote for these very events and questions; nothing where there is no such thing."""
    try:
        with safe_open(_path(dataset, cases), framework="numpy") as file:
            about = file.metadata() or {}
            if about.get("version") != _version(dataset):
                return NONE
            ranks = {name: file.get_tensor(name).astype(np.int64) for name in json.loads(about["names"])}
            notes = json.loads(about["notes"])
    except (OSError, SafetensorError, KeyError, ValueError):  # missing, cut off, or no such file at all
        return NONE
    whole = all(len(found) == len(cases) and _possible(found, dataset.items) for found in ranks.values())
    return BaselineRanks(ranks, notes) if whole else NONE


def keep_rivals(dataset: Dataset, cases: EvaluationCases, baseline_ranks: BaselineRanks) -> None:
    """Writes them whole or not at all; a folder that cannot be written is left as it is."""
    path = _path(dataset, cases)
    about = {
        "version": _version(dataset),
        "names": json.dumps(list(baseline_ranks.ranks)),
        "notes": json.dumps(dict(baseline_ranks.notes)),
    }
    tensors = {name: ranks.astype(np.int32) for name, ranks in baseline_ranks.ranks.items()}
    with suppress(OSError, RunError):
        path.parent.mkdir(exist_ok=True)
        with new_file(path, RunError) as draft:
            draft.write_bytes(save(tensors, metadata=about))  # with the rights that other files get


def _path(dataset: Dataset, cases: EvaluationCases) -> Path:
    return dataset.baselines / f"{cases.name}.safetensors"


def _version(dataset: Dataset) -> str:
    """Everything that the ranks depend on."""
    return f"{VERSION} {dataset.fingerprint}"


def _possible(ranks: np.ndarray, items: int) -> bool:
    return ranks.ndim == 1 and bool(((ranks >= 1) & (ranks <= items)).all())
