"""Pictures that requests brought: in memory only, for a few minutes, below names that nobody can guess."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Self, final

from torch import Tensor

from pixelrec.images.covers import decode_named
from pixelrec.reports import thumbnails
from pixelrec.reports.view import Cover

_SIDE = 256  # pixels of the square that a thumbnail is made from


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that can be decoded."""

    name: str
    data: bytes  # as it came
    kind: str  # of the thumbnail, such as webp
    thumbnail: bytes
    size: tuple[int, int]  # of the thumbnail, width and height
    vectors: dict[str, Tensor] = field(default_factory=dict, repr=False)  # D: by run

    @classmethod
    def of(cls, name: str, data: bytes, most: int) -> Self:
        """most: pixels. Raises `ImageError` if it is no usable picture."""
        found = decode_named(name, data, size=_SIDE, fit="stretch", most=most)
        shown = Cover(name, picture=found.pixels, aspect=found.width / found.height)
        return cls(name, data, *thumbnails.encoded(shown))


@final
class Shelf:
    """The oldest pictures make room for new ones, and those kept for `seconds` are gone."""

    def __init__(
        self,
        most: int = 128,
        most_bytes: int = 64 << 20,
        seconds: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.most_bytes, self.seconds, self._clock = most, most_bytes, seconds, clock
        self._kept: OrderedDict[str, tuple[float, Picture]] = OrderedDict()
        self._lock = Lock()

    def keep(self, pictures: Sequence[Picture]) -> list[str]:
        """The names of the pictures from now on."""
        with self._lock:
            names = [secrets.token_urlsafe(12) for _ in pictures]
            self._kept.update(zip(names, ((self._clock(), each) for each in pictures), strict=True))
            self._clear()
            return names

    def get(self, names: Sequence[str]) -> list[Picture] | None:
        """The pictures; None if any is gone."""
        with self._lock:
            self._clear()
            found = [self._kept[name][1] for name in names if name in self._kept]
            return found if len(found) == len(names) else None

    def _clear(self) -> None:
        while self._kept and (
            len(self._kept) > self.most
            or sum(len(each.data) for _, each in self._kept.values()) > self.most_bytes
            or next(iter(self._kept.values()))[0] < self._clock() - self.seconds
        ):
            self._kept.popitem(last=False)
