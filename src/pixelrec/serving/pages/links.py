"""Addresses of pages, so that templates know no scheme: those of the server, and of an exported folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeAlias, final
from urllib.parse import urlencode

Query: TypeAlias = Mapping[str, str | int | None]


class AbstractLinks(ABC):
    """Ids may hold anything, so they are never part of a path of the server.

    An address is empty where the page is not there, as in an exported folder: templates show its text only.
    """

    live: ClassVar[bool]  # whether pages of further choices are made when they are asked for

    @abstractmethod
    def to(self, page: str, query: Query) -> str:
        """The address of a page, such as `user`; `home` is the first."""

    @abstractmethod
    def picture(self, page: str, query: Query) -> str:
        """A picture, by the route that makes it."""

    def cover(self, item: str) -> str:
        """The thumbnail of an item."""
        return self.picture("covers", {"item": item})

    @abstractmethod
    def static(self, name: str) -> str:
        """A file of `static/`."""

    @property
    def home(self) -> str:
        return self.to("home", {})

    @property
    def find(self) -> str:
        """Where the form that finds items and users is sent to."""
        return self.to("items", {})

    def items(self, run: str | None = None) -> str:
        return self.to("items", {"run": run})

    def users(self, run: str | None = None, beside: str | None = None) -> str:
        return self.to("users", {"run": run, "beside": beside})

    def history(self, run: str | None = None) -> str:
        return self.to("history", {"run": run})

    def user(self, user: str | int, run: str | None = None, beside: str | None = None) -> str:
        return self.to("user", {"id": user, "run": run, "beside": beside})

    def item(self, item: str | int, run: str | None = None) -> str:
        return self.to("item", {"id": item, "run": run})

    def new(self, run: str | None = None) -> str:
        return self.to("new", {"run": run})

    def atlas(self, run: str | None = None, text: str | None = None) -> str:
        """text: marks the items whose id or title holds it."""
        return self.to("atlas", {"run": run, "text": text})

    def why(self, user: str | int, item: str | int, run: str | None = None, before: str | None = None) -> str:
        """before: the split of the evaluated event; none: with all events."""
        return self.to("why", {"user": user, "item": item, "run": run, "before": before})

    def what_if(self, item: str | int, run: str | None = None) -> str:
        return self.to("what-if", {"item": item, "run": run})


@final
class ServerLinks(AbstractLinks):
    live = True

    def to(self, page: str, query: Query) -> str:
        text = urlencode({key: value for key, value in query.items() if value is not None})
        path = "/" if page == "home" else f"/{page}"
        return f"{path}?{text}" if text else path

    def picture(self, page: str, query: Query) -> str:
        return self.to(page, query)

    def static(self, name: str) -> str:
        return f"/static/{name}"
