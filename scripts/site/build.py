"""Hooks of MkDocs: pages made from code, pages that lie outside docs/, and their places in the navigation.

What a page says about code (options, defaults, recipes, the command line, the API) is read from the code when
the site is built, so it cannot drift.
"""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_api import api_pages
from site_commands import command_page
from site_models import GROUPS, facts

ROOT = Path(__file__).parents[2]
OUTSIDE = {  # pages that lie outside docs/, by their place in the site
    "project/changes.md": "CHANGELOG.md",
    "project/benchmarks.md": "benchmarks/README.md",
    "project/contributing.md": "CONTRIBUTING.md",
    "project/security.md": "SECURITY.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)([^)]*)\)")
_FORMULA = re.compile(r"^```formula\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the model pages, the command line and the API to the navigation."""
    sections: dict[str, list[Any]] = {
        next(iter(each)): next(iter(each.values())) for each in config.nav or []
    }
    sections["Models"] += [
        {title: [f"models/{name}.md" for name in names]} for title, names in GROUPS.items()
    ]
    api = [{title: place} for place, (title, _) in api_pages().items()]
    sections["Reference"][:0] = [{"Command line": "reference/command-line.md"}, {"Python": api}]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages that no file in docs/ holds."""
    made = {place: text for place, (_, text) in api_pages().items()}
    made["reference/command-line.md"] = command_page()
    made |= {place: (ROOT / source).read_text(encoding="utf-8") for place, source in OUTSIDE.items()}
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Adds what code says about a model to its page, sets formulas, and leads links to pages of the site."""
    place = page.file.src_uri
    if place.startswith("models/"):
        markdown += "\n\n" + facts(Path(place).stem)
    markdown = _FORMULA.sub(lambda found: formula(found[1]), markdown)
    return _LINK.sub(lambda found: _link(*found.groups(), place), markdown)


def formula(text: str) -> str:
    """Lines of plain text with x_i, x_{ij} and x^{2} as HTML."""
    text = html.escape(text, quote=False)
    for mark, tag in (("_", "sub"), ("\\^", "sup")):
        while (found := re.sub(rf"{mark}(?:\{{([^{{}}]*)\}}|(\w))", rf"<{tag}>\1\2</{tag}>", text)) != text:
            text = found
    return "<p class='formula'>" + "<br>\n".join(text.splitlines()) + "</p>"


def _link(words: str, target: str, rest: str, place: str) -> str:
    """A link between files of the repository as one between pages; words alone if there is no such page."""
    if ":" in target:
        return f"[{words}]({target}{rest})"
    home = OUTSIDE.get(place, f"docs/{place}")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
    pages = {source: page for page, source in OUTSIDE.items()} | {"README.md": "index.md"}
    if file not in pages and not file.startswith("docs/"):
        return words
    found = pages.get(file, file.removeprefix("docs/"))
    return f"[{words}]({posixpath.relpath(found, posixpath.dirname(place) or '.')}{rest})"
