"""Every verb ends with a command to go on with, which can be copied into a shell."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from pixelrec.cli.arguments import parse
from pixelrec.cli.main import main
from pixelrec.cli.verbs import VERBS
from pixelrec.demonstration.world import generate_world

TINY = "--length 4 --items.width 8 --users.heads 1 --users.layers 1 --training.epochs 1"


def test_every_verb_names_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = generate_world(tmp_path / "a world", users=40, items=30, picture_size=16)
    monkeypatch.chdir(tmp_path)
    covers = shlex.quote(str(world.covers))
    for line, starts in [
        (f"images check {covers} --no-duplicates", f"prepare INTERACTIONS --covers {covers} --out DATA"),
        (f"prepare {shlex.quote(str(world.interactions))} --out 'my shop'", "train "),
        (f"images check {covers} --data 'my shop' --no-duplicates", f"images pack {covers} --data 'my shop'"),
        (f"images pack {covers} --data 'my shop' --size 32", "train "),
        (f"train sasrec-id --data 'my shop' --out 'a run' {TINY}", "evaluate 'a run'"),
        ("evaluate 'a run' --no-report", "recommend 'a run' --user ID"),
        ("compare 'a run' 'b run'", "report 'a run' --beside 'b run'"),
        ("report 'a run' --beside 'b run'", "recommend 'a run' --user ID"),
        ("recommend 'a run' --user u1 --out 'my list.csv'", "report 'a run'"),
        ("recommend 'a run' --user u1", "report 'a run'"),
    ]:
        if line.startswith("compare"):
            shutil.copytree("a run", "b run")
        assert main(shlex.split(line)) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0].strip(), "begins with an empty line"
        follows = [each for each in said if each.startswith("next       ")]
        assert len(follows) == 1 and follows[0].startswith(f"next       pixelrec {starts}"), said
        words = shlex.split(follows[0])[2:]
        name = next(
            name
            for name in sorted(VERBS, key=len, reverse=True)
            if words[: name.count(" ") + 1] == name.split()
        )
        parse(name, VERBS[name].parameters(), words[name.count(" ") + 1 :])
