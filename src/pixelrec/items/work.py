"""The work that item encoders do on pictures, which is most of what it costs to use them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self, final


@final
@dataclass(frozen=True)
class Work:
    """Passes of pictures through a network, each part of it counting as its share of the operations.

    Passes that were made for a cache or a feature file count for every training that reads it, once: whether
    this training or an earlier one made it, it would not be there for nothing.
    """

    encodes: float = 0.0  # forward only
    trained_encodes: float = 0.0  # forward and backward
    cpu_seconds: float = (
        0.0  # of preparation: of processes that made a cache or a feature file, and of this one
    )

    def __add__(self, other: Self) -> Work:
        mine, theirs = asdict(self), asdict(other)
        return Work(**{name: mine[name] + theirs[name] for name in mine})
