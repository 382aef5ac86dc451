"""Progress is drawn on a terminal, printed now and then elsewhere, and never shown unasked."""

from __future__ import annotations

import re
import threading
from io import StringIO

import pytest
from rich.console import Console

from pixelrec.console import progress
from pixelrec.console.progress import ProgressLine, activity, progress_line, shown_on


def work(console: Console | None) -> None:
    with shown_on(console), progress_line("packing", 3) as advance:
        for _ in range(3):
            advance()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PRINT_EVERY", 0.0)


@pytest.mark.parametrize("console", [None, Console(quiet=True)])
def test_nothing_is_shown_unasked(console: Console | None, capsys: pytest.CaptureFixture[str]) -> None:
    work(console)
    with progress_line("packing", 1) as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    work(Console())
    out, err = capsys.readouterr()
    lines = [re.sub(r"[\d.]+ s left", "… left", line) for line in err.splitlines()]
    assert out == "" and lines == [f"packing  {n} of 3  … left" for n in (1, 2, 3)]


def test_a_quiet_call_within_a_shown_one(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on(Console()):
        work(None)
        assert capsys.readouterr().err == ""
        with progress_line("encoding", 1) as advance:
            advance()
    assert capsys.readouterr().err == "encoding  1 of 1  0.0 s left\n"


def test_the_time_left_follows_from_what_was_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    file = StringIO()
    with ProgressLine("epoch 1/2", 100, Console(file=file, width=80), done=90) as line:
        for now[0] in (60.0, 120.0):
            line.advance("loss 0.25")
    assert file.getvalue().splitlines()[-1] == "epoch 1/2  92 of 100  8 min left  loss 0.25"


def test_work_without_steps_is_told_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PRINT_EVERY", 1e-3)
    file, twice = StringIO(), threading.Event()
    monkeypatch.setattr(file, "flush", lambda: twice.set() if "EASE" in file.getvalue() else None)
    with activity("evaluating", Console(file=file, width=80)) as told:
        told("ranking by EASE [/]")
        assert twice.wait(30)
    assert "ranking by EASE [/]  for 0.0 s\n" in file.getvalue()


@pytest.mark.parametrize("console", [None, Console(quiet=True)])
def test_quiet_work_without_steps(console: Console | None, capsys: pytest.CaptureFixture[str]) -> None:
    with activity("evaluating", console) as told:
        told("ranking")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    file = StringIO()
    console = Console(file=file, force_terminal=True, width=80)
    with ProgressLine("epoch 1/2", 2000, console, done=500) as line:
        line.advance("loss 0.25")
        line.draw()
    assert "501/2000" in file.getvalue() and "loss 0.25" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K"), "the line is erased"
