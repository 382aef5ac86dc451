"""Every page in a real browser: nothing fails, nothing is asked of others, all of it can be read and used."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from serving.browser.conftest import PATHS, playwright

axe_playwright = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)
WIDTHS = (1280, 390)
PICTURES = os.environ.get("PIXELREC_SCREENSHOTS")  # a folder for pictures of all pages, to look at


WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const all = [...document.querySelectorAll('body *')];
  const beyond = all.filter(each => each.getBoundingClientRect().right > width + 1);
  return [document.title, ...beyond.slice(0, 5).map(each => each.outerHTML.slice(0, 120))];
}"""


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_sound(page: playwright.Page, addresses: dict[str, str], path: str) -> None:
    assert path in addresses, f"no page that the first one leads to has a link to {path}"
    answer = page.goto(addresses[path], wait_until="load")
    assert answer is not None and answer.status == 200
    for width, scheme in zip(WIDTHS, ("light", "dark"), strict=True):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        _picture(page, f"{path.strip('/') or 'home'}-{width}-{scheme}")
        wide = page.evaluate(WIDE)
        assert not wide, f"wider than {width} pixels: {wide}"
        # Only colours differ between the schemes.
        assert not serious_faults(page, "color-contrast" if scheme == "dark" else ""), f"{scheme} at {width}"
    assert not page.faults


def serious_faults(page: playwright.Page, rule: str) -> list[str]:
    """Of one rule, or of all."""
    only = {"runOnly": [rule]} if rule else {}
    found = axe_playwright.Axe().run(page, options={"resultTypes": ["violations"], **only})
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def _picture(page: playwright.Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES, f"{name}.png"), full_page=True)


def test_the_keyboard_leads_everywhere(page: playwright.Page) -> None:
    page.goto("/items")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0, "it shows when focused"
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        assert page.evaluate(f"{style}.outlineStyle != 'none' && parseFloat({style}.outlineWidth) >= 2")
        seen.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert seen[1:3] == ["Users", "Items"]
    page.locator("a.cover").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/item[?]"))
    assert not page.faults


def test_pages_work_without_scripts(browser: playwright.Browser, site: str) -> None:
    page = browser.new_page(java_script_enabled=False, base_url=site)
    page.goto("/")
    page.get_by_role("link", name="Users of pixels").click()
    page.get_by_role("link", name=re.compile("pixels better")).click()
    page.locator("tbody th a").first.click()
    assert page.get_by_role("list", name=re.compile("Recommended by")).count() == 2
    page.get_by_role("searchbox").fill("i7")
    page.get_by_role("button", name="Find").click()
    assert urlpath(page) == "/item?id=i7&run=pixels"
    page.close()


def urlpath(page: playwright.Page) -> str:
    return re.sub("^https?://[^/]*", "", page.url)
