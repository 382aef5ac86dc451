"""A saved state that is absent or damaged, signals, schedules."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from pixelrec.errors import RunError
from pixelrec.training.interruption import Interruption
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
