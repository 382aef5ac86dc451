"""Ranks by baselines, saved inside the data set: they are the same for every model beside them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from pixelrec.baselines import VERSION
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError
from pixelrec.evaluation.baselines import NONE, BaselineRanks
from pixelrec.files.atomic import new_file
from pixelrec.files.regular import demand_regular
from pixelrec.files.tensors import write_tensors


def read_baselines(dataset: Dataset, cases: EvaluationCases) -> BaselineRanks:
    """What `save_baselines` wrote for the same events and cases; empty if there is no such file."""
    try:
        demand_regular(_path(dataset, cases))
        with safe_open(_path(dataset, cases), framework="numpy") as file:
            about = file.metadata() or {}
            if about.get("version") != _version(dataset):
                return NONE
            ranks = {name: file.get_tensor(name).astype(np.int64) for name in json.loads(about["names"])}
            notes = json.loads(about["notes"])
    except (OSError, SafetensorError, KeyError, ValueError):  # missing, cut short, or another file
        return NONE
    valid = all(
        found.shape == (len(cases),) and ((found >= 1) & (found <= dataset.items)).all()
        for found in ranks.values()
    )
    return BaselineRanks(ranks, notes) if valid else NONE


def save_baselines(dataset: Dataset, cases: EvaluationCases, found: BaselineRanks) -> None:
    """Writes them, unless the data set is read-only: then they are computed again the next time."""
    path = _path(dataset, cases)
    about = {
        "version": _version(dataset),
        "names": json.dumps(list(found.ranks)),
        "notes": json.dumps(dict(found.notes)),
    }
    with suppress(OSError, RunError):
        path.parent.mkdir(exist_ok=True)
        with new_file(path, RunError) as draft:
            ranks = {name: torch.from_numpy(some.astype(np.int32)) for name, some in found.ranks.items()}
            write_tensors(draft, ranks, about)


def _path(dataset: Dataset, cases: EvaluationCases) -> Path:
    return dataset.baselines / f"{cases.name}.safetensors"


def _version(dataset: Dataset) -> str:
    """Everything that the ranks depend on."""
    return f"{VERSION} {dataset.fingerprint}"
