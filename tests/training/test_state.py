"""A saved state that is absent or damaged, signals, schedules."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from pixelrec.errors import RunError, StoppedError
from pixelrec.training.interruption import SIGNALS, Interruption, interruptible
from pixelrec.training.launch import Place, launched
from pixelrec.training.loop import lr_factor
from pixelrec.training.state import load_state


def test_a_missing_state_is_none_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    assert load_state(tmp_path / "last") is None
    (tmp_path / "last").mkdir()
    (tmp_path / "last" / "progress.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        load_state(tmp_path / "last")


def test_the_second_signal_has_its_usual_effect() -> None:
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(), Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.requested
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_of_training_a_signal_interrupts_and_keeps_its_number(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as found, interruptible():
        os.kill(os.getpid(), number)
    assert StoppedError.by(found.value, "continue").exit_code == 128 + number
    assert StoppedError.by(KeyboardInterrupt(), "continue").exit_code == 130, "of Python's own handler"
    assert signal.getsignal(number) is before


def test_work_that_need_not_be_finished_is_left_at_once() -> None:
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt), interruption.at_once():
        os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.signal == signal.SIGTERM
    with pytest.raises(KeyboardInterrupt), interruption.at_once():
        pytest.fail("it has been requested before")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (1, 2)),
        ({"WORLD_SIZE": "1"}, (0, 1)),
        ({"WORLD_SIZE": "abc"}, (0, 1)),
        ({"WORLD_SIZE": ""}, (0, 1)),
        ({"RANK": "x"}, (0, 1)),
        ({"LOCAL_RANK": None}, (0, 1)),
        ({"MASTER_ADDR": None}, (0, 1)),
    ],
)
def test_only_a_complete_launch_makes_one_of_several(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], expected: tuple[int, int]
) -> None:
    given = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    for name, value in (given | changed).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert launched() == Place(*expected)


def test_signals_do_not_interrupt_other_threads() -> None:
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
