"""A real browser before a real server, and an address for each of its pages."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from serving.conftest import serving

from pixelrec.serving.app import PAGES, make_app
from pixelrec.serving.shop import Shop

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NO_PAGES = {"/covers", "/healthz", "/login", "/metrics"}
PATHS = [
    route.path
    for router in PAGES
    for route in router.routes
    if "GET" in route.methods and route.path not in NO_PAGES and route.path.count("/") == 1
]
"""Of all pages; those of a new router are among them."""


@pytest.fixture(scope="session")
def browser() -> Iterator[playwright.Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(names)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(shop: Shop) -> Iterator[str]:
    """The address of a server, whose maps are drawn."""
    for run in shop.runs.values():
        run.atlas.ready(60)
    with serving(shop) as address:
        yield address


@pytest.fixture(scope="session")
def addresses(shop: Shop) -> dict[str, str]:
    """An address for each page, found by following links from the first page."""
    client, waiting = TestClient(make_app(shop)), deque(["/"])
    asked, found = set[tuple[str, str]](), dict[str, str]()
    while waiting and len(found) < len(PATHS):
        address = waiting.popleft()
        page = client.get(address)
        assert page.status_code == 200, f"{address}, which a page links to: {page.text}"
        found.setdefault(urlsplit(address).path, address)
        for link in map(unescape, re.findall(r'<a [^>]*href="(/[^"#]*)', page.text)):
            parts = urlsplit(link)
            key = (parts.path, parse_qs(parts.query).get("run", [""])[0])
            if key not in asked and parts.path in PATHS:
                asked.add(key)
                waiting.append(link)
    return found


@pytest.fixture
def page(browser: playwright.Browser, site: str) -> Iterator[playwright.Page]:
    """A page whose faults are collected in `page.faults`."""
    # With motion, colours would be looked at on their way from one scheme to the other.
    size: playwright.ViewportSize = {"width": 1280, "height": 900}
    page = browser.new_page(viewport=size, base_url=site, reduced_motion="reduce")
    page.faults = faults = []
    page.on("console", lambda said: said.type in ("error", "warning") and faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((site, "data:")) or faults.append(asked.url))
    yield page
    page.close()
