"""A run that was killed or interrupted ends as if it had not been."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Command, pixelrec

from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RecipeError
from pixelrec.files.json_object import digest_of
from pixelrec.runs import train

TINY = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--users.layers", "1"]
WORDS = [*TINY, "--training.batch_size", "32", "--training.epochs", "4", "--optimiser.weight_decay", "0.1"]


def rows(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    timing = ("seconds", "cpu_seconds", "windows_per_second", "validation_seconds", "encoding_seconds")
    return [{k: v for k, v in json.loads(line).items() if k not in timing} for line in lines]


def weights(run: Path, which: str = "best") -> bytes:
    return (run / which / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    pixelrec("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS)
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
    command = Command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS, *often)
    command.wait_until(lambda: position(out)[0] == 1 and position(out)[1] > 3)
    command.send(signal.SIGKILL)
    command.end()
    epoch, batch = position(out)
    assert epoch == 1 and batch > 3
    pixelrec("train", "--resume", out)
    assert rows(out) == rows(whole), "every epoch once"
    for which in ("best", "last"):
        assert weights(out, which) == weights(whole, which)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_the_same(dataset: Dataset, whole: Path, tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "run"
    command = Command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS)
    command.wait_until(lambda: rows(out))
    command.send(how)
    status, _, said = command.end()
    if how == signal.SIGKILL:
        assert status == -how
    else:
        assert status == 128 + how
        assert f"pixelrec train --resume {out}" in said
    assert len(rows(out)) < 4, "it was over before it could be disturbed"
    pixelrec("train", "--resume", out)
    assert rows(out) == rows(whole)
    assert weights(out) == weights(whole)
    assert weights(out, "last") == weights(whole, "last")


def test_a_finished_run_has_nothing_to_resume(whole: Path) -> None:
    before = weights(whole)
    assert "finished" in pixelrec("train", "--resume", whole).out
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
    command = Command("train", "sasrec-id", "--data", dataset.folder, "--out", out, *WORDS)
    command.wait_until((out / "best").exists)
    command.send(signal.SIGSTOP)
    try:
        second = pixelrec("train", "--resume", out, status=2)
        pixelrec("evaluate", out, "--split", "validation")
    finally:
        command.send(signal.SIGCONT)
    assert command.end().status == 0
    assert len(second.err.splitlines()) == 1
    assert f"{out} is being trained by process {command.pid} on " in second.err
    assert rows(out) == rows(whole)
    for which in ("best", "last"):
        assert weights(out, which) == weights(whole, which)
    assert not (out / ".lock").exists()
