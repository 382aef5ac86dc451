"""What `pixelrec recipes` prints."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pixelrec.cli.main import main
from pixelrec.recipe.recipe import recipes


def test_a_list_with_what_each_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert lines[0].split() == ["recipe", "needs", "what", "it", "is"] and max(map(len, lines)) <= 80
    assert "Start here: sasrec-id over ids and sasrec-mobilenet over pictures." in lines
    needs = {line.split()[0]: line for line in lines[1:] if "  " in line}
    assert " events " in needs["mf-id"] and " covers, 88 M " in needs["sasrec-vit"]
    assert (
        "published/MODEL-vit for bert4rec" not in told and "published/MODEL-rn50, -vit for bert4rec" in told
    )


def test_the_list_as_json_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--form", "json"]) == 0
    rows = {row["recipe"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == recipes().keys()
    assert rows["sasrec-id"]["start_here"] and not rows["sasrec-id"]["pictures"]
    vit = rows["sasrec-id-vit"]
    assert (vit["source"], vit["revision"]) == ("openai/clip-vit-base-patch32", None) and vit["pictures"]
    hub = [row for row in rows.values() if row["source"] and "/" in row["source"]]
    assert all(row["million_parameters"] for row in hub)


def test_the_list_loads_no_pytorch() -> None:
    code = "import sys; from pixelrec.cli.recipes import read; read(); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--schema"]) == 0
    assert "users" in json.loads(capsys.readouterr().out)["properties"]


def test_recipes_over_vectors_need_a_file_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    told = capsys.readouterr().out
    needs = {line.split()[0]: line for line in told.splitlines()[1:] if "  " in line}
    assert " feature file " in needs["sasrec-features"] and " codes " in needs["sasrec-codes"]
    assert "MODEL- " not in told  # a published recipe may be named after its model alone
