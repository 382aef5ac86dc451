"""A run that was killed or interrupted ends as if it had not been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RecipeError
from pixelrec.files.json_object import digest_of
from pixelrec.runs import train

TINY = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--users.layers", "1"]
WORDS = [*TINY, "--training.batch_size", "16", "--training.epochs", "4", "--optimiser.weight_decay", "0.1"]


def command(*words: object) -> list[str]:
    return [str(Path(sys.executable).with_name("pixelrec")), *map(str, words)]


def rows(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    timing = ("seconds", "windows_per_second", "validation_seconds", "encoding_seconds")
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


def change_progress(run: Path, **values: object) -> None:
    """As if the state had been saved with these values."""
    path = run / "last" / "progress.json"
    found = {**json.loads(path.read_text(encoding="utf-8")), **values}
    del found["digest"]
    path.write_text(json.dumps({**found, "digest": digest_of(found)}), encoding="utf-8")


def change_text(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def change_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


LINES = "metrics.jsonl"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a number": (
        lambda run: change_text(run / "last/progress.json", '"windows": 0', '"windows": 1'),
        "progress.json: was changed",
    ),
    "not a number": (
        lambda run: change_text(run / "last/progress.json", '"seconds": 0.0', '"seconds": NaN'),
        "progress.json: was changed",
    ),
    "no object": (lambda run: (run / "last/progress.json").write_text("[]"), "expected an object"),
    "no position": (lambda run: (run / "last/progress.json").unlink(), "no such file"),
    "a moment": (
        lambda run: change_byte(run / "last/optimiser.safetensors"),
        "optimiser.safetensors: was changed",
    ),
    "no moments": (
        lambda run: (run / "last/optimiser.safetensors").unlink(),
        "optimiser.safetensors: was changed",
    ),
    "a pipe": (
        lambda run: replace_by_pipe(run / "last/optimiser.safetensors"),
        "optimiser.safetensors: was changed",
    ),
    "another description": (
        lambda run: change_text(run / "last/recommender.json", '"width": 16', '"width": 8'),
        "recommender.json: was changed",
    ),
    "a journal without a line": (
        lambda run: (run / LINES).write_text("".join((run / LINES).read_text().splitlines(True)[::2])),
        "metrics.jsonl, line 2: expected the numbers of one epoch more",
    ),
    "a doubled journal": (
        lambda run: (run / LINES).write_text(2 * (run / LINES).read_text()),
        "metrics.jsonl, line 5: expected",
    ),
    "a torn line": (lambda run: change_text(run / LINES, '"epoch": 2', '"epo'), "line 2: expected"),
    "other keys": (lambda run: change_text(run / LINES, "NDCG@10", "ndcg"), "line 1: expected"),
    "a short journal": (
        lambda run: (run / LINES).write_text((run / LINES).read_text().splitlines(True)[0]),
        "ends with epoch 1, and epoch 4 is saved",
    ),
    "no text": (lambda run: (run / LINES).write_bytes(b"\xff\xfe\n"), "metrics.jsonl: cannot be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_named_before_anything_is_computed(
    whole: Path,
    tmp_path: Path,
    damage: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    change_progress(run, finished=False)
    change, message = DAMAGES[damage]
    change(run)
    monkeypatch.setattr(train, "build_parts", lambda *_: pytest.fail("networks are made"))
    assert main(["train", "--resume", str(run)]) == 2
    told = capsys.readouterr().err
    assert message in told and len(told.splitlines()) == 1


def test_without_its_journal_training_continues(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    change_progress(run, finished=False)
    (run / "metrics.jsonl").unlink()
    assert main(["train", "--resume", str(run)]) == 0
    assert [row["epoch"] for row in rows(run)] == [5]
    assert main(["evaluate", str(run), "--split", "validation"]) == 0


@pytest.mark.parametrize("left", [[".lock"], [".lock", "items.parquet", ".recipe.yaml.0a1b2c3d.draft"]])
def test_killed_before_its_description_was_written_a_run_is_made_by_the_same_command(
    dataset: Dataset, tmp_path: Path, left: list[str]
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in left:
        (out / name).touch()
    words = ["train", "sasrec-id", "--data", str(dataset.folder), "--out", str(out)]
    assert main([*words, *TINY, "--training.epochs=1"]) == 0
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_the_place_of_a_run_is_tried_before_networks_are_made(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "build_parts", lambda *_: pytest.fail("networks are made"))
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "items.parquet").touch()
    words = ["train", "sasrec-id", "--data", str(dataset.folder), "--out"]
    for place, message in (
        ("file/run", "file/run: cannot be written: Not a directory"),
        ("file", "file is no folder; choose another --out"),
        ("mine", "mine is not empty; choose another --out"),
    ):
        assert main([*words, str(tmp_path / place)]) == 2
        assert message in capsys.readouterr().err


def test_a_folder_that_got_no_run_is_removed(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RecipeError("it does not fit")

    monkeypatch.setattr(train, "build_parts", fail)
    assert main(["train", "sasrec-id", "--data", str(dataset.folder), "--out", str(tmp_path / "a/b")]) == 2
    assert list(tmp_path.iterdir()) == []


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


def test_what_a_killed_save_has_left_is_removed_from_a_finished_run(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    for name in ("best", "last"):
        shutil.copytree(run / name, run / f".{name}.draft" / "old")
        (run / f".{name}.draft" / "lock").touch()
    assert main(["train", "--resume", str(run)]) == 0
    assert not list(run.glob(".*"))


def test_evaluate_names_a_run_that_has_not_finished(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    words = ["evaluate", str(run), "--split", "validation", "--no-report"]
    assert main(words) == 0 and "not finished" not in capsys.readouterr().out
    change_progress(run, finished=False)
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
