"""Progress is drawn on a terminal, printed now and then elsewhere, and never shown unasked."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from pixelrec.console import progress
from pixelrec.console.progress import ProgressLine, progress_line, shown_on


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
    assert capsys.readouterr() == ("", "packing  1 of 3\npacking  2 of 3\npacking  3 of 3\n")


def test_a_quiet_call_within_a_shown_one(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on(Console()):
        work(None)
        assert capsys.readouterr().err == ""
        with progress_line("encoding", 1) as advance:
            advance()
    assert capsys.readouterr().err == "encoding  1 of 1\n"


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    file = StringIO()
    console = Console(file=file, force_terminal=True, width=80)
    with ProgressLine("epoch 1/2", 2000, console, done=500) as line:
        line.advance("loss 0.25")
        line.draw()
    assert "501/2000" in file.getvalue() and "loss 0.25" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K"), "the line is erased"
