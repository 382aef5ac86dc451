"""Ranks by baselines, saved inside the data set: they are the same for every model beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from pixelrec.baselines import VERSION
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError
from pixelrec.evaluation.baselines import NONE, BaselineRanks, Contender
from pixelrec.files.atomic import new_file
from pixelrec.files.regular import demand_regular
from pixelrec.files.tensors import write_tensors


def read_baselines(dataset: Dataset, cases: EvaluationCases, among: Mapping[str, Contender]) -> BaselineRanks:
    """What `save_baselines` wrote for the same events, cases and features; empty if missing or damaged."""
    try:
        demand_regular(_path(dataset, cases))
        with safe_open(_path(dataset, cases), framework="numpy") as file:
            about = json.loads((file.metadata() or {})["about"])
            if about["version"] != _version(dataset):
                return NONE
            ranks = {name: file.get_tensor(name) for name in about["names"]}
            notes, features = about["notes"], about["features"]
            if about["digest"] != _digest(ranks, notes, features):
                return NONE
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):  # missing, cut short, or another file
        return NONE
    valid = all(
        found.dtype == np.int32
        and found.shape == (len(cases),)
        and ((found >= 1) & (found <= dataset.items)).all()
        for found in ranks.values()
    )
    if not valid:
        return NONE
    same = {name for name, each in among.items() if features.get(name, "") == each.digest}
    return BaselineRanks(
        {name: found.astype(np.int64) for name, found in ranks.items() if name in same},
        {name: note for name, note in notes.items() if name in same},
    )


def save_baselines(
    dataset: Dataset, cases: EvaluationCases, among: Mapping[str, Contender], found: BaselineRanks
) -> None:
    """Writes them, unless the data set is read-only: then they are computed again the next time."""
    path = _path(dataset, cases)
    tensors = {name: ranks.astype(np.int32) for name, ranks in found.ranks.items()}
    notes = dict(found.notes)
    features = {name: each.digest for name, each in among.items() if each.digest}
    about = {
        "version": _version(dataset),
        "names": list(tensors),
        "notes": notes,
        "features": features,
        "digest": _digest(tensors, notes, features),
    }
    with suppress(OSError, RunError):
        path.parent.mkdir(exist_ok=True)
        with new_file(path, RunError) as draft:
            # One entry, as safetensors writes several in any order.
            write_tensors(
                draft,
                {name: torch.from_numpy(some) for name, some in tensors.items()},
                {"about": json.dumps(about)},
            )


def _digest(ranks: Mapping[str, np.ndarray], notes: Mapping[str, str], features: Mapping[str, str]) -> str:
    digest = sha256(json.dumps([list(ranks), notes, features]).encode())
    for some in ranks.values():
        digest.update(some.tobytes())
    return digest.hexdigest()


def _path(dataset: Dataset, cases: EvaluationCases) -> Path:
    return dataset.baselines / f"{cases.name}.safetensors"


def _version(dataset: Dataset) -> str:
    """Everything that the ranks depend on."""
    return f"{VERSION} {dataset.fingerprint}"
