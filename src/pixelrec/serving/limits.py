"""What one request may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Limits:
    """Bounds of every request; what exceeds one is refused before any work is done."""

    body: int = 8 << 20  # bytes
    pixels: int = 50_000_000  # of a picture, width by height
    k: int = 1000  # recommended items
    requests: int = 1000  # users or histories in one batch
    events: int = 10_000  # item ids in all histories of one batch
    seconds: float = 30.0  # until an answer
    connections: int = 512  # at once; more wait in the queue of the system
