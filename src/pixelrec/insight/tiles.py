"""Tiles of a map of covers as pictures, drawn when they are first looked at."""

from __future__ import annotations

import colorsys
import io
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import final

import numpy as np
import polars as pl
from PIL import Image, features

from pixelrec.errors import ImageError
from pixelrec.images.store import PictureStore
from pixelrec.insight.pyramid import Pyramid
from pixelrec.reports.thumbnails import hue

PIXELS = 256  # of a side of a tile
BYTES = 64 << 20  # of tiles in memory
QUALITY = 80
_EFFORT = 2  # of WebP, from 0 to 6: more takes longer than drawing
KIND = "webp" if features.check("webp") else "png"  # with transparency, so not JPEG


@final
@dataclass(frozen=True, eq=False)
class Tiles:
    """May be used by many threads at once. A tile shows at most 64 covers, so its work is bounded."""

    pyramid: Pyramid
    ids: pl.Series  # String[N]: of the items
    store: PictureStore | None  # of their covers
    kept: LatestBytes = field(default_factory=lambda: LatestBytes(BYTES))

    def tile(self, level: int, column: int, row: int) -> bytes:
        """A picture of `KIND`, 256 pixels square; `RequestError` if there is no such tile."""
        items = self.pyramid.tile(level, column, row)
        return self.kept.get((level, column, row), lambda: self._drawn(items))

    def _drawn(self, items: np.ndarray) -> bytes:
        size = PIXELS // len(items)
        canvas = Image.new("RGBA", (PIXELS, PIXELS))
        for row, column in zip(*np.nonzero(items >= 0), strict=True):
            cover = self._cover(str(self.ids[int(items[row, column])]), size - max(1, size // 32))
            left, top = (size - edge for edge in cover.size)
            canvas.paste(cover, (int(column) * size + left // 2, int(row) * size + top // 2))
        encoded = io.BytesIO()
        canvas.save(encoded, KIND, **({"quality": QUALITY, "method": _EFFORT} if KIND == "webp" else {}))
        return encoded.getvalue()

    def _cover(self, item: str, room: int) -> Image.Image:
        """Fits a square of `room` pixels; plain for an item without a usable cover."""
        try:
            if self.store is not None and item not in self.store.grey:
                picture, aspect = self.store.read([item])[0], float(self.store.aspects([item])[0])
                small = (max(1, round(room * min(1, ratio))) for ratio in (aspect, 1 / aspect))
                wanted = (next(small), next(small))
                return Image.fromarray(picture).resize(wanted, Image.Resampling.BILINEAR, reducing_gap=2.0)
        except ImageError:
            pass  # missing or damaged
        return Image.new("RGB", (room, room), colour_of(item))


@final
class LatestBytes:
    """A cache of values by key: the latest that fit in a number of bytes."""

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0
        self._values: OrderedDict[object, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        """The value of a key, made if it is not there; two threads may both make it."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self.bytes += len(value) - len(self._values.pop(key, b""))
            self._values[key] = value
            while self.bytes > self.most:
                self.bytes -= len(self._values.popitem(last=False)[1])
        return value


def colour_of(item: str) -> tuple[int, int, int]:
    """That of an item without a cover, as on pages and in reports."""
    red, green, blue = colorsys.hls_to_rgb(hue(item) / 360, 0.3, 0.44)
    return math.floor(red * 255), math.floor(green * 255), math.floor(blue * 255)
