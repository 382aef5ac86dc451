"""What `pixelrec recipes` prints."""

from __future__ import annotations

import json

import pytest

from pixelrec.cli.main import main


def test_a_list_with_what_each_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["recipe", "what", "it", "is"] and len(lines) > 40
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)
    assert main(["recipes", "--schema"]) == 0
    assert "users" in json.loads(capsys.readouterr().out)["properties"]
