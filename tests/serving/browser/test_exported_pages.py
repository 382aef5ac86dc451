"""The exported folder, opened from disk."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from serving.browser.conftest import playwright
from serving.browser.test_pages import WIDE

from pixelrec.errors import RequestError
from pixelrec.serving.export import demand_place, write_site
from pixelrec.serving.pages.export_links import ExportLinks
from pixelrec.serving.shop import Shop


@pytest.fixture(scope="session")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "site"
    assert write_site(shop, out, users=1) == out / "index.html"
    return out


def test_all_links_lead_to_files_of_the_folder(folder: Path) -> None:
    pages = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.html")}
    kinds = {name.partition("-")[0] for name in pages}
    assert kinds == {"index.html", "users", "user", "item", "atlas"}
    linked = {"index.html"}
    for name, page in pages.items():
        found = map(unescape, re.findall(r'(?:href|src|action)="([^"]*)"', page))
        targets = [target.partition("#")[0] for target in found if target != "#main"]
        missing = [target for target in targets if not target or not (folder / target).is_file()]
        assert not missing, name
        linked |= set(targets)
    everything = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert everything - linked == {"site.json"}, "nothing is written that no page needs"


def test_the_same_runs_give_the_same_bytes(folder: Path, shop: Shop, tmp_path: Path) -> None:
    write_site(shop, tmp_path / "again", users=1)
    first, second = (
        {file.relative_to(place): file.read_bytes() for file in place.rglob("*") if file.is_file()}
        for place in (folder, tmp_path / "again")
    )
    assert first.keys() == second.keys()
    assert not [name for name in first if first[name] != second[name]]


@pytest.mark.parametrize("kind", ["index", "users", "user", "item", "atlas"])
def test_pages_open_from_disk(browser: playwright.Browser, folder: Path, kind: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text))
    page.on("request", lambda asked: asked.url.startswith(folder.as_uri()) or faults.append(asked.url))
    page.on("requestfailed", lambda asked: faults.append(asked.url))
    page.goto(next(folder.glob(f"{kind}*.html")).as_uri())
    pictures = "[...document.images].filter(e => e.complete).map(e => e.naturalWidth)"
    assert all(page.evaluate(pictures))
    assert page.evaluate("getComputedStyle(document.querySelector('.top')).display") == "flex", (
        "it has its style"
    )
    assert not page.evaluate(WIDE)
    assert page.locator("form:visible").count() == 0
    assert not faults
    page.close()


def test_other_files_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    demand_place(folder)
    demand_place(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RequestError, match="no earlier export"):
        demand_place(tmp_path)
    with pytest.raises(RequestError, match="is no folder"):
        demand_place(tmp_path / "thesis.txt")


def test_an_item_has_one_page_of_a_run_that_knows_it() -> None:
    links = ExportLinks("first", {"i1"})
    assert links.item("i1", "second") == links.item("i1", "first")
    links.item("x", "second")
    assert [dict(query)["run"] for _, query in links.pages.values()] == ["first", "second"]
