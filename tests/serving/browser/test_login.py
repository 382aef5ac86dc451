"""The form for the token in a real browser, which then is known to the server."""

from __future__ import annotations

from serving.browser.conftest import playwright
from serving.conftest import serving

from pixelrec.serving.shop import Shop

TOKEN = "a token for the tests"


def test_people_give_the_token_once(browser: playwright.Browser, shop: Shop) -> None:
    with serving(shop, TOKEN) as address:
        visitor = browser.new_context(
            base_url=address, viewport={"width": 390, "height": 800}, reduced_motion="reduce"
        )
        page = visitor.new_page()
        page.goto("/items?q=i3")
        for given, said in (("a wrong token", "That is another token."), (TOKEN, "i3")):
            assert page.url.startswith(f"{address}/login")
            page.get_by_label("Token").fill(given)
            page.get_by_role("button", name="Open").click()
            page.get_by_text(said).first.wait_for()
        assert page.url.startswith(f"{address}/item")
        page.goto("/")
        assert "/login" not in page.url and page.evaluate("document.cookie") == ""
        visitor.close()
