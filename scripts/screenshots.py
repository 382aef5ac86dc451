"""Pictures of pages at the widths of a phone and a desktop, light and dark, to look at.

python scripts/screenshots.py OUT http://127.0.0.1:8000/ "http://127.0.0.1:8000/users?run=a"
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

WIDTHS, SCHEMES = {"phone": 390, "desktop": 1280}, ("light", "dark")


def main(out: Path, addresses: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        for address in addresses:
            page = browser.new_page()
            parts = urlsplit(address)
            name = re.sub(r"[^\w=-]+", "_", f"{parts.path}_{parts.query}".strip("/_")) or "home"
            for width_name, width in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    page.goto(address, wait_until="networkidle")
                    page.screenshot(path=out / f"{name[:80]}-{width_name}-{scheme}.png", full_page=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
