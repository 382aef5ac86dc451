"""What one request may cost."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import final

from pixelrec.errors import RequestError


@final
@dataclass(frozen=True)
class Limits:
    """Bounds of every request; what exceeds one is refused before any work is done."""

    body: int = 8 << 20  # bytes
    pixels: int = 50_000_000  # of a picture, width by height
    pictures: int = 8  # in the form for new covers
    k: int = 1000  # recommended items
    requests: int = 1000  # users, histories, items or pictures in one batch
    listed: int = 100_000  # items in all lists of one batch
    events: int = 10_000  # item ids in all histories of one batch, and in `among` and `exclude`
    seconds: float = 30.0  # until an answer
    patience: float = 10.0  # seconds until the headers of a request are there
    connections: int = 512  # at once

    def check(self, *, k: int = 1, requests: Sized = (), ids: Sequence[Sized] = ()) -> None:
        """Raises `RequestError` for a request beyond a bound; ids: its lists of item ids."""
        events = sum(map(len, ids))
        for found, bound, of in (
            (k, self.k, "items in a list (k)"),
            (len(requests), self.requests, "requests"),
            (len(requests) * k, self.listed, "items in all lists"),
            (events, self.events, "item ids"),
        ):
            if found > bound:
                raise RequestError(f"{found:,} {of} are too many for one call; send at most {bound:,}")
