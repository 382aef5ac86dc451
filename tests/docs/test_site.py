"""The documentation as a site: built strictly, complete, and without a request to anybody."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import Command

import pixelrec
from pixelrec.cli.verbs import VERBS
from pixelrec.items import ITEM_ENCODERS
from pixelrec.registry import Registry
from pixelrec.users import USER_MODELS

ROOT = Path(__file__).parents[2]


def build(words: Sequence[str]) -> int:
    """`mkdocs build --strict` into the folder that is the only word: a warning is an error."""
    from mkdocs.commands.build import build as build_site
    from mkdocs.config import load_config

    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    logging.basicConfig(level=logging.WARNING)
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=words[0], strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build_site(config)
    return 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = Command(folder, program=build).end()
    assert done.status == 0, done.err
    return folder


def test_no_page_asks_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loads = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?https?:[^ >]+", text)
        loads += re.findall(r"<link[^>]+href=[\"']?https?:[^ >]+", text)
        assert not loads, page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?https?:", style.read_text(encoding="utf-8"))


@pytest.mark.parametrize("registry", [USER_MODELS, ITEM_ENCODERS], ids=["users", "items"])
def test_every_model_has_a_page_with_its_options_and_recipes(site: Path, registry: Registry[object]) -> None:
    for name in registry.shipped:
        text = (site / f"models/{name.replace('_', '-')}.html").read_text(encoding="utf-8")
        assert f"name: {name}" in text and 'id="recipes"' in text and 'id="options"' in text, name


def test_every_command_and_every_public_name_is_in_the_reference(site: Path) -> None:
    commands = (site / "reference/command-line.html").read_text(encoding="utf-8")
    assert all(f">pixelrec {name}<" in commands for name in VERBS)
    names = " ".join(page.read_text(encoding="utf-8") for page in site.glob("reference/python-*.html"))
    assert all(
        re.search(rf'id="pixelrec\.[\w.]*{name}"', names) for name in pixelrec.__all__ if name[0] != "_"
    )


def test_text_in_angle_brackets_stays_text(site: Path) -> None:
    text = (site / "reference/command-line.html").read_text(encoding="utf-8")
    assert "&lt;item_id&gt;.jpg" in text
