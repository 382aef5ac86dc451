"""Covers of the report: the picture of every item once, small, embedded in the page."""

from __future__ import annotations

import base64
import io
import math
import statistics
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image, features

from pixelrec.reports.view import UserStory

AREA = 112 * 112  # pixels of a thumbnail, whatever its shape
QUALITY = 75
TALLEST, WIDEST = 2 / 3, 3 / 2  # width by height of a tile


@final
@dataclass(frozen=True)
class Thumbnail:
    name: str  # of the symbol in the page
    width: int
    height: int
    source: str  # data URI


@final
@dataclass(frozen=True)
class Gallery:
    """Pictures by item id; `aspect` is the ratio of width to height of all tiles."""

    thumbnails: Mapping[str, Thumbnail]
    aspect: float

    def hue(self, item_id: str) -> int:
        """The hue, in degrees, of the tile of an item without a picture."""
        return zlib.crc32(item_id.encode("utf-8", "replace")) % 360


def gallery(stories: Sequence[UserStory]) -> Gallery:
    """Encodes the first picture of every item in the stories."""
    pictures: dict[str, np.ndarray] = {}
    for story in stories:
        for cover in (*story.history, *story.recommended, story.answer):
            if cover.picture is not None:
                pictures.setdefault(cover.item_id, cover.picture)
    thumbnails = {item: _thumbnail(f"c{n}", picture) for n, (item, picture) in enumerate(pictures.items())}
    aspects = [thumbnail.width / thumbnail.height for thumbnail in thumbnails.values()]
    aspect = statistics.median(aspects) if aspects else 1.0
    return Gallery(thumbnails, round(min(max(aspect, TALLEST), WIDEST), 3))


def _thumbnail(name: str, picture: np.ndarray) -> Thumbnail:
    height, width, _ = picture.shape
    scale = min(1.0, math.sqrt(AREA / (width * height)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    format = "webp" if features.check("webp") else "jpeg"  # WebP is smaller; a few Pillows lack it
    encoded = io.BytesIO()
    small.save(encoded, format, quality=QUALITY)
    text = base64.b64encode(encoded.getvalue()).decode("ascii")
    return Thumbnail(name, *size, f"data:image/{format};base64,{text}")
