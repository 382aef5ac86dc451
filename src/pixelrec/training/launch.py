"""The place of this process among those that `torchrun` or `accelerate launch` started; without PyTorch."""

from __future__ import annotations

import os
from dataclasses import dataclass

_GIVEN = ("RANK", "LOCAL_RANK", "MASTER_PORT")  # numbers that a launcher gives to each process


@dataclass(frozen=True)
class Place:
    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints for all."""
        return self.index == 0


def launched() -> Place:
    """One of several only if everything of a launcher is there: a stray `RANK` has no effect."""
    size, *others = (os.environ.get(name, "") for name in ("WORLD_SIZE", *_GIVEN))
    complete = bool(os.environ.get("MASTER_ADDR")) and all(text.isdecimal() for text in (size, *others))
    return Place(int(others[0]), int(size)) if complete and int(size) > 1 else Place()
