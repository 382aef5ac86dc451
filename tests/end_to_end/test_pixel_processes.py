"""Several processes train over pixels together: one catalogue, one bank, the same weights and metrics."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from end_to_end.pixel_runs import RESNET
from safetensors.torch import load_file

from pixelrec import api
from pixelrec.data.dataset import Dataset

WORDS = {
    **RESNET,
    "items.cache": "always",
    "items.norm": "items",
    "items.trainable": 2,
    "items.chunk": 9,
    "items.keep_activations": 9,
    "negatives.bank": True,
    "negatives.reencoded": 5,
    "negatives.drawn": 40,
    "training.batch_size": 200,
    "training.epochs": 2,
}
# Every process notes what it validates, the bank it trains with, and which items it encodes to validate.
SCRIPT = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from pixelrec import api
from pixelrec.runs import train
from pixelrec.recommender import Recommender
from pixelrec.training import loop
from safetensors.torch import save_file

data, out, overrides, notes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), Path(sys.argv[4])
encoded, seen, encode, validate = [], [], Recommender.encode, train.validate

def counted(self, ids, **words):
    encoded.append(ids.tolist())
    return encode(self, ids, **words)

def noted(recommender, cases, processes, bank):
    encoded.clear()
    metrics = validate(recommender, cases, processes, bank)
    rank = processes.index
    seen.append({"metrics": dict(metrics.metrics), "encoded": sum(encoded, [])})
    (notes / f"{rank}.json").write_text(json.dumps(seen))
    tensors = {name: tensor.contiguous() for name, tensor in recommender.state_dict().items()}
    save_file({**tensors, "bank": recommender.bank.contiguous()}, notes / f"{rank}.safetensors")
    return metrics

Recommender.encode, train.validate = counted, noted
api.train("sasrec-id", data=data, out=out, overrides=overrides)
"""


@pytest.fixture(scope="module")
def together(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes noted, and their run."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = [dataset.folder, folder / "run", json.dumps(WORDS), folder]
    command = [sys.executable, *launcher, folder / "train.py", *arguments]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_both_processes_have_the_metrics_of_the_journal(together: Path) -> None:
    lines = (together / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    written = [{k: v for k, v in json.loads(line).items() if "@" in k} for line in lines]
    noted = [json.loads((together / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    assert len(written) == 2
    for epoch, row in enumerate(written):
        assert noted[0][epoch]["metrics"] == noted[1][epoch]["metrics"] == row


def test_each_item_is_encoded_by_one_process(together: Path, dataset: Dataset) -> None:
    noted = [json.loads((together / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    for epoch in range(2):
        first, second = (set(noted[rank][epoch]["encoded"]) for rank in (0, 1))
        assert first | second == set(range(dataset.items + 1))
        assert len(first & second) <= 1 and abs(len(first) - len(second)) <= 1


def test_both_processes_have_the_same_weights_and_bank(together: Path) -> None:
    first, second = (load_file(together / f"{rank}.safetensors") for rank in (0, 1))
    last = load_file(together / "run" / "last" / "model.safetensors")
    assert first.keys() == second.keys() == last.keys() | {"bank"}
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
        assert name == "bank" or torch.equal(tensor, last[name]), name
    kept = load_file(together / "run" / "last" / "bank.safetensors")["vectors"]
    assert torch.equal(kept, first["bank"]) and kept.abs().sum() > 1


def test_one_process_ranks_as_two(together: Path, dataset: Dataset) -> None:
    lines = (together / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    best = max(map(json.loads, lines), key=lambda row: row["NDCG@10"])
    found = api.evaluate(together / "run", split="validation", data=dataset.folder).own_metrics
    assert found == pytest.approx({name: best[name] for name in found}, abs=1e-9)
