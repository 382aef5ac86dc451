"""New covers in a real browser: chosen, dropped, and sent without the script."""

from __future__ import annotations

import pytest
from serving.browser.conftest import playwright
from serving.browser.test_pages import WIDE, serious_faults

from pixelrec.demonstration.world import World

DROP = """([name, bytes]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
  const drop = { dataTransfer: files, bubbles: true, cancelable: true };
  for (const kind of ["dragover", "drop"])
    document.querySelector("form.drop").dispatchEvent(new DragEvent(kind, drop));
}"""
NAMES = ("i3.jpg", "i4.jpg")


def test_chosen_pictures_are_previewed_and_answered(page: playwright.Page, world: World) -> None:
    page.goto("/new?run=pixels")
    page.set_input_files("#pictures", [world.covers / name for name in NAMES])
    page.wait_for_function("() => document.querySelectorAll('.previews canvas').length == 2")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**/new?*pictures=*")
    assert page.locator(".new-cover img.picture").first.evaluate("image => image.naturalWidth") > 10
    page.fill("#user", "u7")
    page.get_by_role("button", name="Show the list").click()
    page.wait_for_selector("ol.listed li")
    assert page.locator("ol.listed li").count() == 10
    for width, scheme in ((1280, "light"), (390, "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert not page.evaluate(WIDE)
        assert not serious_faults(page, "color-contrast" if scheme == "dark" else "")
    assert not page.faults


def test_a_dropped_picture_is_taken_and_too_many_are_not_sent(page: playwright.Page, world: World) -> None:
    page.goto("/new?run=pixels")
    page.evaluate(DROP, ["i3.jpg", list((world.covers / "i3.jpg").read_bytes())])
    assert page.locator("#pictures").evaluate("input => input.files[0].name") == "i3.jpg"
    page.wait_for_selector(".previews canvas")
    page.set_input_files("#pictures", [world.covers / f"i{n}.jpg" for n in range(9)])
    assert "send at most 8 at once" in page.locator(".previews").inner_text()
    page.get_by_role("button", name="Show", exact=True).click()
    assert "pictures=" not in page.url
    assert not page.faults


@pytest.mark.parametrize("data", [b"words", None], ids=["bad", "good"])
def test_without_its_script_the_form_works(
    browser: playwright.Browser, site: str, world: World, data: bytes | None
) -> None:
    page = browser.new_page(java_script_enabled=False, base_url=site)
    page.goto("/new?run=pixels")
    picture = (world.covers / "i3.jpg").read_bytes() if data is None else data
    page.set_input_files("#pictures", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture})
    page.get_by_role("button", name="Show", exact=True).click()
    expected = "Median rank" if data is None else "a.jpg: not-a-picture"
    assert expected in page.locator("main").inner_text()
    page.close()
