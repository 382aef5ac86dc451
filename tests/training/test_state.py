"""Folders replaced as a whole, whenever the process dies."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from pixelrec.errors import RunError
from pixelrec.training.interruption import Interruption
from pixelrec.training.schedule import lr_factor
from pixelrec.training.state import load_state, replaced, whole


def write(folder: Path, text: str) -> None:
    with replaced(folder) as new:
        (new / "a.txt").write_text(text, encoding="utf-8")


def read(folder: Path) -> str:
    return (whole(folder) / "a.txt").read_text(encoding="utf-8")


def test_a_folder_is_replaced_and_leaves_nothing(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        write(tmp_path / "last", text)
        assert read(tmp_path / "last") == text
    assert [p.name for p in tmp_path.iterdir()] == ["last"]


def test_an_error_keeps_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "last", "old")
    with pytest.raises(ZeroDivisionError), replaced(tmp_path / "last") as new:
        (new / "a.txt").write_text("new", encoding="utf-8")
        raise ZeroDivisionError
    assert read(tmp_path / "last") == "old"


@pytest.mark.parametrize("dies_at", [1, 2])
def test_death_at_either_rename_leaves_a_whole_folder(
    tmp_path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "last", "old")
    renames, rename = 0, Path.rename

    def dying(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames == dies_at:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "last", "new")
    assert read(tmp_path / "last") == "old"
    write(tmp_path / "last", "newest")
    assert read(tmp_path / "last") == "newest"
    assert [p.name for p in tmp_path.iterdir()] == ["last"]


def test_no_state_and_a_damaged_one(tmp_path: Path) -> None:
    assert load_state(tmp_path / "last") is None
    (tmp_path / "last").mkdir()
    (tmp_path / "last" / "progress.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        load_state(tmp_path / "last")


def test_a_signal_is_noted_once_and_then_acts_as_usual() -> None:
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_is_not_interrupted() -> None:
    seen = []

    def work() -> None:
        with Interruption() as interruption:
            seen.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_schedules() -> None:
    assert [lr_factor(s, 10, 4, "constant") for s in (0, 1, 3, 4, 9)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert [lr_factor(s, 12, 4, "linear") for s in (3, 4, 8, 12)] == [1.0, 1.0, 0.5, 0.0]
    assert lr_factor(8, 12, 4, "cosine") == pytest.approx(0.5)
    assert lr_factor(12, 12, 4, "cosine") == pytest.approx(0.0)
