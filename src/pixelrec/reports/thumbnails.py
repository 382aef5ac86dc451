"""Covers of the report: the picture of every item once, small, embedded in the page."""

from __future__ import annotations

import base64
import io
import math
import statistics
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from PIL import Image, features

from pixelrec.reports.view import Cover, Spread, UserStory

AREA = 144 * 144  # pixels of a thumbnail, whatever its shape: twice those of a tile on the page
QUALITY = 75
KIND = "webp" if features.check("webp") else "jpeg"  # WebP is smaller; a few Pillows lack it
TALLEST, WIDEST = 2 / 3, 3 / 2  # width by height of a tile
CUT = 0.25  # of the logarithm of the aspect: a quarter of the picture is cut off at most


@final
@dataclass(frozen=True)
class Thumbnail:
    name: str  # of the symbol in the page
    width: int
    height: int
    source: str  # data URI

    def fit(self, aspect: float) -> str:
        """How it fills a tile: to the edges if little is cut off, else whole."""
        return "slice" if fills(self.width / self.height, aspect) else "meet"


@final
@dataclass(frozen=True)
class Gallery:
    """Pictures by item id; `aspect` is the ratio of width to height of all tiles."""

    thumbnails: Mapping[str, Thumbnail]
    aspect: float


def gallery(covers: Iterable[Cover]) -> Gallery:
    """Encodes the first picture of every item."""
    first: dict[str, Cover] = {}
    for cover in covers:
        if cover.picture is not None:
            first.setdefault(cover.item_id, cover)
    thumbnails = {item: _thumbnail(f"c{n}", cover) for n, (item, cover) in enumerate(first.items())}
    aspects = [thumbnail.width / thumbnail.height for thumbnail in thumbnails.values()]
    return Gallery(thumbnails, common_aspect(aspects))


def common_aspect(aspects: Sequence[float]) -> float:
    """The ratio of width to height of all tiles, given those of their pictures."""
    middle = statistics.median(aspects) if aspects else 1.0
    return round(min(max(middle, TALLEST), WIDEST), 3)


def fills(aspect: float, tile: float) -> bool:
    """Whether a picture is cut to the edges of its tile, as little is cut off, or shown whole."""
    return abs(math.log(aspect / tile)) < CUT


def hue(item_id: str) -> int:
    """The hue, in degrees, of the tile of an item without a picture."""
    return zlib.crc32(item_id.encode("utf-8", "replace")) % 360


def covers_of(stories: Sequence[UserStory], spread: Sequence[Spread]) -> Iterator[Cover]:
    for story in stories:
        yield from (*story.history, *story.recommended, story.answer)
        yield from (cover for other in story.others for cover in other.recommended)
    yield from (cover for each in spread for cover in each.most)


def encoded(cover: Cover) -> tuple[str, bytes, tuple[int, int]]:
    """The format, the bytes, and width and height of the thumbnail of a cover with a picture."""
    assert cover.picture is not None
    height, width, _ = cover.picture.shape
    area, aspect = min(AREA, width * height), cover.aspect or width / height
    size = max(1, round(math.sqrt(area * aspect))), max(1, round(math.sqrt(area / aspect)))
    small = Image.fromarray(cover.picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, KIND, quality=QUALITY)
    return KIND, buffer.getvalue(), size


def _thumbnail(name: str, cover: Cover) -> Thumbnail:
    kind, data, size = encoded(cover)
    return Thumbnail(name, *size, f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}")
