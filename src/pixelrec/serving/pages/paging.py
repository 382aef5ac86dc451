"""A part of a long list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, final

from fastapi import Query

Page: TypeAlias = Annotated[int, Query(ge=1, le=10_000_000)]
Words: TypeAlias = Annotated[str, Query(max_length=200)]


@final
@dataclass(frozen=True)
class Part:
    """The rows of one page; one after the last is the last."""

    total: int
    at_once: int
    wanted: int = 1  # page, from 1

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.at_once))

    @property
    def page(self) -> int:
        return min(self.wanted, self.pages)

    @property
    def start(self) -> int:
        return (self.page - 1) * self.at_once

    @property
    def earlier(self) -> int | None:
        return self.page - 1 if self.page > 1 else None

    @property
    def later(self) -> int | None:
        return self.page + 1 if self.page < self.pages else None

    @property
    def here(self) -> str:
        """As in "61–120 of 1,234"."""
        stop = min(self.start + self.at_once, self.total)
        return f"{self.start + 1:,}–{stop:,} of {self.total:,}" if self.total else "none"
