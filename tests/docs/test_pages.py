"""Every line of every page that is code runs, as a reader would type it, in a very small shop."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Command
from docs.blocks import COMMANDS, SHOWN, Block, blocks_of, commands
from docs.little_shop import build, enter
from docs.running import run_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
# Beside the run that its examples serve, whose export to ONNX takes seconds.
ELSEWHERE = {"export.md": ROOT / "tests/runs/test_onnx_towers.py"}
WITH_CODE = [
    page
    for page in PAGES
    if page.name not in ELSEWHERE and any(block.language not in SHOWN for block in blocks_of(page))
]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "shop"
    folder.mkdir()
    done = Command(folder, program=build).end()
    assert done.status == 0, done.err
    return folder


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, shop: Path, tmp_path: Path) -> None:
    enter(shop, tmp_path, page.read_text(encoding="utf-8"))
    done = Command(page, tmp_path, program=run_page).end()
    assert done.status == 0, done.err


@pytest.mark.parametrize("page", ELSEWHERE)
def test_pages_that_other_tests_run(page: str) -> None:
    assert page in ELSEWHERE[page].read_text(encoding="utf-8")
    assert not [block for block in blocks_of(ROOT / "docs" / page) if block.language in COMMANDS]


def test_a_command_is_left_out_only_with_a_reason() -> None:
    code = "a --b c  # why\nd \\\n  e  # needs a GPU\n# needs the network\nf '#g'\n"
    found = list(commands(Block(Path("page.md"), 1, "", code)))
    assert found == [("a --b c", ""), ("d e", "needs a GPU"), ("f '#g'", "needs the network")]
