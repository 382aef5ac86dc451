"""Addresses within an exported folder, which is opened from disk."""

from __future__ import annotations

import re
from collections.abc import Container
from hashlib import sha256
from typing import final

from pixelrec.reports.thumbnails import KIND
from pixelrec.serving.pages.links import AbstractLinks, Query

_SAFE, _LONGEST = re.compile(r"[^a-zA-Z0-9]+"), 40  # characters of an id in the name of a file


@final
class ExportLinks(AbstractLinks):
    """All pages lie in one folder. Pages and covers that are linked are recorded.

    Items may be asked for until the links are closed; any other page must have been added before.
    """

    live = False

    def __init__(self, first: str, known: Container[str]) -> None:
        """first: the run of a page that names none, and of the pages of all items that it knows, `known`."""
        self._first, self._known = first, known
        self.pages: dict[str, tuple[str, Query]] = {}  # by file: page and query, in the order of adding
        self.pictures: dict[str, tuple[str, Query]] = {}  # by file: the route that makes it
        self._closed = False  # no more pages are added

    def add(self, page: str, query: Query) -> str:
        """The file of a page that will be written."""
        file = self._file(page, query)
        self.pages.setdefault(file, (page, query))
        return file

    def close(self) -> None:
        self._closed = True

    def to(self, page: str, query: Query) -> str:
        file = self._file(page, query)
        if page == "item" and set(query) <= {"id", "run"} and not self._closed:
            self.add(page, query)
        return file if file in self.pages else ""

    def item(self, item: str | int, run: str | None = None) -> str:
        """One page for all runs, or of `run` where the first does not know the item."""
        return super().item(item, self._first if str(item) in self._known else run)

    @property
    def find(self) -> str:
        return ""

    def picture(self, page: str, query: Query) -> str:
        name = _name("-".join(str(value) for _, value in sorted(query.items())), f"{page}\n{_text(query)}")
        file = f"pictures/{name}.{KIND}"
        self.pictures[file] = (page, query)
        return file

    def static(self, name: str) -> str:
        return f"static/{name}"

    def _file(self, page: str, query: Query) -> str:
        """From what the page shows alone, so that it can be named before it is written."""
        if page == "home":
            return "index.html"
        given = {"run": self._first, **{key: value for key, value in query.items() if value is not None}}
        words = "-".join(str(value) for key, value in sorted(given.items()) if key in ("id", "run"))
        return f"{page}-{_name(words, _text(given))}.html"


def _text(query: Query) -> str:
    return "\n".join(f"{key}={value}" for key, value in sorted(query.items()) if value is not None)


def _name(words: str, text: str) -> str:
    """Of a file: some words as far as they can be read, and a digest, as different ids may read the same."""
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{_SAFE.sub('-', words)[:_LONGEST].strip('-').lower()}-{digest}".lstrip("-")
