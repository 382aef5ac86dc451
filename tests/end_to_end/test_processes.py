"""Several processes train together, and rank as one does."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from commands import Command

from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset

WORDS = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--training.batch_size", "32"]
# Nothing moves at this learning rate, so one process and two validate the same weights.
STILL = ["--training.epochs", "1", "--optimiser.learning_rate", "0"]
MOVING = ["--training.epochs", "2", "--training.accumulate", "2"]
SCRIPT = (
    "import json, sys; from pixelrec.cli.main import main; sys.exit(max(map(main, json.loads(sys.argv[1]))))"
)


def words(dataset: Dataset, out: Path, *more: str) -> list[str]:
    return ["train", "sasrec-id", "--data", str(dataset.folder), "--out", str(out), *WORDS, *more]


def weights(run: Path) -> list[bytes]:
    return [(run / which / "model.safetensors").read_bytes() for which in ("best", "last")]


def metrics(run: Path) -> list[dict[str, float]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if "@" in name} for line in lines]


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that a script in two processes trains one after the other."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    runs = [words(dataset, folder / name, *MOVING) for name in ("one", "two")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [
        *launcher,
        str(folder / "train.py"),
        json.dumps([words(dataset, folder / "still", *STILL), *runs]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch   1") == done.stdout.count("pixelrec evaluate") == 3, "one of them speaks"
    return folder


def test_two_processes_rank_as_one(trained: Path, dataset: Dataset, tmp_path: Path) -> None:
    assert main(words(dataset, tmp_path / "one", *STILL)) == 0
    assert metrics(tmp_path / "one") == metrics(trained / "still") != []


def test_a_script_trains_several_runs(trained: Path) -> None:
    assert weights(trained / "one") == weights(trained / "two")
    assert len(metrics(trained / "one")) == 2


def is_within_an_epoch(run: Path) -> bool:
    with suppress(FileNotFoundError):
        state = json.loads((run / "last" / "progress.json").read_text(encoding="utf-8"))
        return state["batch"] > 0 and not state["finished"]
    return False


def together(*command: str) -> list[Command]:
    """Starts a command in two processes, as a launcher does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [Command(*command, environment={**shared, "RANK": i, "LOCAL_RANK": i}) for i in ("0", "1")]


def test_killed_within_an_epoch_they_continue_together(
    trained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    killed = together(*words(dataset, run, *MOVING, "--training.save_minutes", "1e-9"))
    killed[0].wait_until(lambda: is_within_an_epoch(run))
    for each in killed:
        each.send(signal.SIGKILL)
    assert {each.end().status for each in killed} == {-signal.SIGKILL}
    assert is_within_an_epoch(run)
    assert [each.end().status for each in together("train", "--resume", str(run))] == [0, 0]
    assert weights(run) == weights(trained / "one")
