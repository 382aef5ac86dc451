"""What is fitted of a network: blocks over an activation cache, LoRA, adapters; and in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from end_to_end.pixel_runs import USERS
from items.backbones.conftest import TINY
from safetensors.torch import load_file

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.runs.run import Run

VIT = {
    **USERS,
    "items.family": "vit",
    "items.sizes": TINY["vit"],
    "items.cache": "always",
    "items.cache_dtype": "fp32",
    "training.batch_size": 256,
    "training.epochs": 1,
    "fit.passes": 2,
    "fit.warmup": 0,
}
DEPTHS = {"items.depths": "all", "items.pooling": "mean", "items.adapters": 4}
FITS: dict[str, dict[str, Any]] = {
    "the top block": {"items.trainable": 1},
    "LoRA below it": {"items.trainable": 1, "items.lora": 2},
    "adapters": {"items.trainable": "none", **DEPTHS},
}
SCRIPT = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from pixelrec import api
from pixelrec.runs import fitted
from safetensors.torch import save_file

data, out, overrides, notes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), Path(sys.argv[4])
store_vectors = fitted.store_vectors

def noted(parts, *rest):
    store_vectors(parts, *rest)
    tensors = {name: tensor.contiguous() for name, tensor in parts.saved.state_dict().items()}
    save_file({**tensors, "bank": parts.saved.bank}, notes / f"{parts.processes.index}.safetensors")

fitted.store_vectors = noted
api.train("sasrec-fitted", data=data, out=out, overrides=overrides)
"""


@pytest.fixture(scope="module")
def ids(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Rows for all of them."""
    words = {**USERS, "training.epochs": 2, "scoring.name": "cosine", "scoring.unit_items": True}
    return api.train(
        "sasrec-id", data=dataset.folder, out=tmp_path_factory.mktemp("ids") / "run", overrides=words
    )


def fitted(
    ids: Run, dataset: Dataset, out: Path, words: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Weights after the fit, and the cosines of its passes."""
    overrides = {**VIT, "training.warm_start": str(ids.folder), **words}
    run = api.train("sasrec-fitted", data=dataset.folder, out=out, overrides=overrides)
    lines = (run.folder / "fit" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return load_file(run.folder / "last" / "model.safetensors"), [
        json.loads(line)["cosine"] for line in lines
    ]


@pytest.mark.parametrize("name", FITS)
def test_a_part_is_fitted_over_the_cache_as_without(
    name: str, ids: Run, dataset: Dataset, tmp_path: Path
) -> None:
    found, cosines = fitted(ids, dataset, tmp_path / "cached", FITS[name])
    plain, same = fitted(ids, dataset, tmp_path / "plain", {**FITS[name], "items.cache": "never"})
    assert max(cosines[1:]) > cosines[0] and cosines == pytest.approx(same, abs=1e-4)
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, plain[key], atol=1e-3, rtol=1e-3)


def test_two_processes_fit_together(ids: Run, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    words = {**VIT, **FITS["the top block"], "fit.passes": 1, "training.warm_start": str(ids.folder)}
    arguments = [dataset.folder, tmp_path / "run", json.dumps(words), tmp_path]
    command = [str(word) for word in [sys.executable, *launcher, tmp_path / "train.py", *arguments]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    best = load_file(tmp_path / "run" / "fit" / "best" / "model.safetensors")
    assert first.keys() == second.keys() == best.keys() | {"bank"}
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
        assert name == "bank" or torch.equal(tensor, best[name]), name
    run = Run.open(tmp_path / "run")
    one = run.recommender(dataset)
    torch.testing.assert_close(one.encode_all(), first["bank"], atol=1e-5, rtol=1e-4)
    lines = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    best_row = max(map(json.loads, lines), key=lambda row: row["NDCG@10"])
    measured = api.evaluate(run, split="validation").own_metrics
    assert measured == pytest.approx({name: best_row[name] for name in measured}, abs=1e-9)
