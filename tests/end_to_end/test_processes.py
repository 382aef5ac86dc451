"""Several processes train together, and rank as one does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pixelrec.data.dataset import Dataset

# Nothing moves at this learning rate, so both runs validate the same weights.
WORDS = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--training.epochs", "1"]
STILL = ["--optimiser.learning_rate", "0"]


def metrics(run: Path) -> dict[str, float]:
    row = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return {name: value for name, value in row.items() if "@" in name}


def launch(processes: int, out: Path, dataset: Dataset, *words: str) -> str:
    together = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
    ]
    command = [*together, "-m", "pixelrec", "train", "sasrec-id", "--data", str(dataset.folder)]
    done = subprocess.run(
        [*command, "--out", str(out), *WORDS, *words],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_rank_as_one(dataset: Dataset, tmp_path: Path) -> None:
    said = launch(2, tmp_path / "two", dataset, *STILL)
    assert said.count("epoch   1") == 1, "one of them speaks"
    assert said.count("pixelrec evaluate") == 1, "one of them speaks"
    command = [str(Path(sys.executable).with_name("pixelrec")), "train", "sasrec-id", "--data"]
    one = tmp_path / "one"
    subprocess.run([*command, str(dataset.folder), "--out", str(one), *WORDS, *STILL], check=True)
    assert metrics(one) == metrics(tmp_path / "two")


def test_two_processes_keep_the_same_weights(dataset: Dataset, tmp_path: Path) -> None:
    launch(2, tmp_path / "run", dataset)
    assert (tmp_path / "run" / "best" / "model.safetensors").exists()
    assert len((tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 1
