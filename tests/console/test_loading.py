"""A line that is there while nothing else is, and only on a terminal."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from pixelrec.console import loading
from pixelrec.console.loading import LoadingLine


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: StringIO, *, waits: bool) -> str:
    """What a command writes that takes longer than a user waits, or not."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(loading, "PATIENCE", 0.0 if waits else 1000.0)
    with LoadingLine() as line:
        if waits and stream.isatty():
            line._timer.join()
        line.over()
        before = stream.getvalue()
        line.over()
    assert stream.getvalue() == before
    return before


def test_a_terminal_gets_a_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), waits=True) == "loading …\r\r\x1b[2K"


def test_an_answer_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), waits=False) == ""


def test_a_log_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, StringIO(), waits=True) == ""
