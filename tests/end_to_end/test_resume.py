"""A run that was killed or interrupted ends as if it had not been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset

TINY = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--users.layers", "1"]
WORDS = [*TINY, "--training.batch_size", "16", "--training.epochs", "4", "--optimiser.weight_decay", "0.1"]


def command(*words: object) -> list[str]:
    return [str(Path(sys.executable).with_name("pixelrec")), *map(str, words)]


def rows(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    timing = ("seconds", "windows_per_second")
    return [{k: v for k, v in json.loads(line).items() if k not in timing} for line in lines]


def weights(run: Path, which: str = "best") -> bytes:
    return (run / which / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run(command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS), check=True)
    assert len(rows(out)) == 4
    return out


def position(run: Path) -> tuple[int, int]:
    """Epochs and batches that the saved state has finished."""
    try:
        state = json.loads((run / "last" / "progress.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return (0, 0)
    return state["epoch"], state["batch"]


def test_killed_within_an_epoch_it_continues_from_the_last_save(
    dataset: Dataset, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    often = ["--training.save_minutes", "1e-9"]  # after every step
    words = command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS, *often)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    patience = time.monotonic() + 120
    while not (position(out)[0] == 1 and position(out)[1] > 3) and time.monotonic() < patience:
        time.sleep(0.002)
    process.kill()
    process.communicate(timeout=60)
    epoch, batch = position(out)
    assert epoch == 1 and batch > 3
    subprocess.run(command("train", "--resume", out), check=True, capture_output=True)
    assert rows(out) == rows(whole), "every epoch once"
    for which in ("best", "last"):
        assert weights(out, which) == weights(whole, which)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_the_same(dataset: Dataset, whole: Path, tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "run"
    words = command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    patience = time.monotonic() + 120
    while len(rows(out)) < 1 and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.01)
    os.kill(process.pid, how)
    _, said = process.communicate(timeout=60)
    if how != signal.SIGKILL:
        assert process.returncode == 128 + how
        assert f"pixelrec train --resume {out}" in said
    assert len(rows(out)) < 4, "it was over before it could be disturbed"
    subprocess.run(command("train", "--resume", out), check=True, capture_output=True)
    assert rows(out) == rows(whole)
    assert weights(out) == weights(whole)
    assert weights(out, "last") == weights(whole, "last")


def test_a_finished_run_has_nothing_to_resume(whole: Path) -> None:
    before = weights(whole)
    done = subprocess.run(command("train", "--resume", whole), check=True, capture_output=True, text=True)
    assert "finished" in done.stdout
    assert weights(whole) == before


def test_evaluate_names_a_run_that_has_not_finished(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    words = ["evaluate", str(run), "--split", "validation", "--no-report"]
    assert main(words) == 0 and "not finished" not in capsys.readouterr().out
    path = run / "last" / "progress.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished": False}))
    assert main(words) == 0 and "training   not finished: " in capsys.readouterr().out
    shutil.rmtree(run / "last")
    assert main(words) == 0 and "not finished" not in capsys.readouterr().out


def test_one_training_at_a_time_writes_into_a_run(dataset: Dataset, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    patience = time.monotonic() + 120
    while not (out / "best").exists() and time.monotonic() < patience:
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    try:
        second = subprocess.run(
            command("train", "--resume", out), check=False, capture_output=True, text=True, timeout=60
        )
        evaluated = subprocess.run(
            command("evaluate", out, "--split", "validation"), check=False, capture_output=True, text=True
        )
    finally:
        process.send_signal(signal.SIGCONT)
    process.wait(timeout=120)
    assert second.returncode == 2 and len(second.stderr.splitlines()) == 1
    assert f"{out} is being trained by process {process.pid} on " in second.stderr
    assert evaluated.returncode == 0, evaluated.stderr
    assert rows(out) == rows(whole)
    for which in ("best", "last"):
        assert weights(out, which) == weights(whole, which)
    assert not (out / ".lock").exists()
