"""The map of covers in a real browser: by mouse, keyboard and search, and without its script."""

from __future__ import annotations

import re

import pytest
from serving.browser.conftest import playwright

from pixelrec.insight.pyramid import Pyramid
from pixelrec.serving.shop import Shop

PAINTED = "canvas[data-painted]"


@pytest.fixture
def pyramid(shop: Shop) -> Pyramid:
    found = shop.run("pixels").atlas.ready(60)
    assert found is not None
    return found.pyramid


def id_in(address: str) -> str:
    found = re.search(r"/item\?id=(\w+)", address)
    assert found is not None, address
    return found[1]


def test_a_click_opens_the_cover_below_it(page: playwright.Page, shop: Shop, pyramid: Pyramid) -> None:
    page.goto("/atlas?run=pixels")
    page.wait_for_selector(PAINTED)
    box = page.locator("#canvas").bounding_box()
    item = int(pyramid.order[0])  # the most popular is shown on every level
    x, y = (pyramid.cells[item] + 0.5 - pyramid.side / 2) * box["height"] / pyramid.side
    page.mouse.click(box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y)
    page.wait_for_url(re.compile("/item[?]"))
    assert id_in(page.url) == shop.run("pixels").service.items["item_id"][item]
    assert not page.faults


def test_the_keyboard_moves_the_map_and_opens_an_item(page: playwright.Page, shop: Shop) -> None:
    page.goto("/atlas?run=pixels")
    page.wait_for_selector(PAINTED)
    page.focus("#canvas")
    for key in ("+", "+", "+", "+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelectorAll('#list a').length < 48")
    assert page.locator("#list a").count() > 0
    page.keyboard.press("0")
    page.wait_for_function("() => document.getElementById('count').textContent == '48 of 120'")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/item[?]"))
    assert id_in(page.url) in shop.run("pixels").service.items["item_id"]
    assert not page.faults


def test_an_item_is_found_and_colours_have_a_legend(page: playwright.Page) -> None:
    page.goto("/item?id=i7&run=pixels")
    page.get_by_role("link", name="Its place in the atlas").click()
    page.wait_for_selector(PAINTED)
    page.wait_for_function("() => document.getElementById('listed').textContent.startsWith('Found')")
    assert id_in(page.locator("#list a").first.get_attribute("href")) == "i7"
    for name in ("popularity", "age", "cluster", "error"):
        page.select_option("#colour", label=name)
        page.wait_for_function("() => document.querySelectorAll('#legend .map-key').length > 0")
    assert not page.faults


def test_without_its_script_there_are_a_picture_and_a_list(browser: playwright.Browser, site: str) -> None:
    page = browser.new_page(java_script_enabled=False, base_url=site)
    page.goto("/atlas?run=pixels")
    assert page.locator("#map").is_hidden()
    assert page.locator("img.map-still").evaluate("image => image.complete && image.naturalWidth") == 256
    page.get_by_role("link", name="Next").click()
    assert "page=2" in page.url and page.locator("#list a").count() == 48
    page.close()
