"""`pixelrec cache` lists the activations of a data set, and deletes those that no process uses."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import pixelrec
from pixelrec.cli.main import main


@pytest.fixture
def data(own_data: Path) -> Path:
    """A data set with two entries, one of them a week old."""
    for name, days in (("0" * 16, 7), ("1" * 16, 0)):
        entry = own_data / "activations" / name
        entry.mkdir(parents=True)
        states = entry / "states.bin"
        states.write_bytes(bytes(100_000))
        os.utime(states, (time.time() - 86_400 * days,) * 2)
    return own_data


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["cache", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_entries_are_listed_and_deleted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, data)
    assert "last used" in text and f"in {data / 'activations'}" in text
    assert len(pixelrec.cache(data)) == 2
    assert "deleted" in said(capsys, data, "--clear", "--unused-days", 3)
    assert [path.name for path in (data / "activations").iterdir()] == ["1" * 16]
    assert "deleted" in said(capsys, data, "--clear")
    assert said(capsys, data) == "no cached activations\n"
    assert said(capsys, data, "--clear") == "no activations that can be deleted\n"
