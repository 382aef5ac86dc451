"""Several processes train together, and rank as one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from pixelrec.data.dataset import Dataset

# Nothing moves at this learning rate, so both runs validate the same weights.
WORDS = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--training.epochs", "1"]
STILL = ["--optimiser.learning_rate", "0"]


def metrics(run: Path) -> dict[str, float]:
    row = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return {name: value for name, value in row.items() if "@" in name}


def together(processes: int, *words: str) -> list[str]:
    """The command that trains in several processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *launcher, "-m", "pixelrec", "train", *words]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def launch(processes: int, out: Path, dataset: Dataset, *words: str) -> str:
    places = ("sasrec-id", "--data", str(dataset.folder), "--out", str(out))
    return run(together(processes, *places, *WORDS, *words))


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


def test_killed_within_an_epoch_they_continue_together(dataset: Dataset, tmp_path: Path) -> None:
    words = ["--training.epochs", "2", "--training.batch_size", "4", "--training.accumulate", "2"]
    launch(2, tmp_path / "whole", dataset, *words)
    out, words = tmp_path / "run", [*words, "--training.save_minutes", "1e-9"]
    command = together(2, "sasrec-id", "--data", str(dataset.folder), "--out", str(out), *WORDS, *words)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
    patience, state = time.monotonic() + 120, out / "last" / "progress.json"
    while time.monotonic() < patience:
        with suppress(FileNotFoundError):
            if json.loads(state.read_text(encoding="utf-8"))["batch"]:
                break
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    position = json.loads(state.read_text(encoding="utf-8"))
    assert position["batch"] and not position["finished"]
    run(together(2, "--resume", str(out)))
    for which in ("best", "last"):
        kept = [(tmp_path / name / which / "model.safetensors").read_bytes() for name in ("whole", "run")]
        assert kept[0] == kept[1]


def test_a_script_trains_several_recipes(dataset: Dataset, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, pixelrec\n"
        "for out in sys.argv[2:]:\n"
        "    words = {'length': 5, 'items.width': 8, 'users.heads': 1, 'training.epochs': 1}\n"
        "    pixelrec.train('sasrec-id', data=sys.argv[1], out=out, overrides=words)\n",
        encoding="utf-8",
    )
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    runs = [tmp_path / name for name in ("one", "two")]
    run([sys.executable, *launcher, *map(str, (script, dataset.folder, *runs))])
    assert len({(run / "last" / "model.safetensors").read_bytes() for run in runs}) == 1
