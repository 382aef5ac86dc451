"""Changes of a picture that a shop may consider: crop, blur, compression, words, grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pixelrec.errors import RequestError

WORDS = 60  # letters of a text, at most


@final
@dataclass(frozen=True)
class Edit:
    """A change, and how a table names it."""

    name: str
    apply: Callable[[np.ndarray], np.ndarray]
    """uint8[S, S, 3] → the same."""


def edits_of(
    *,
    crop: Sequence[float] = (),
    blur: Sequence[float] = (),
    jpeg_quality: Sequence[int] = (),
    text: Sequence[str] = (),
    grey: bool = False,
) -> list[Edit]:
    """A list of single edits.

    Args:
        crop: parts of the sides that are kept, around the middle: above 0, at most 1.
        blur: standard deviations of a Gaussian blur, in percent of a side: above 0, at most 50.
        jpeg_quality: of a JPEG: 1 to 100.
        text: words on a band at the foot.
        grey: without colours.

    Raises:
        RequestError: a number is out of its range, or a text is empty or too long.
    """
    for share in crop:
        _demand(0 < share <= 1, "crop", share, "a part of each side to keep, such as 0.8")
    for size in blur:
        _demand(0 < size <= 50, "blur", size, "percent of a side, above 0 and at most 50")
    for quality in jpeg_quality:
        _demand(1 <= quality <= 100, "jpeg_quality", quality, "a number from 1 to 100")
    for words in text:
        _demand(bool(words.strip()) and len(words) <= WORDS, "text", words, f"1 to {WORDS} letters")
    found = [Edit(f"crop {share:g}", partial(cropped, share=share)) for share in crop]
    found += [Edit(f"blur {size:g} %", partial(blurred, percent=size)) for size in blur]
    found += [Edit(f"JPEG quality {q}", partial(compressed, quality=q)) for q in jpeg_quality]
    found += [Edit(f"text {words!r}", partial(labelled, words=words)) for words in text]
    return found + ([Edit("grey", greyed)] if grey else [])


def cropped(pixels: np.ndarray, share: float) -> np.ndarray:
    """The middle `share` of each side, enlarged to the old size."""
    side = len(pixels)
    edge = side * (1 - share) / 2
    box = (edge, edge, side - edge, side - edge)
    return np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, box=box))


def blurred(pixels: np.ndarray, percent: float) -> np.ndarray:
    """With a Gaussian blur whose standard deviation is so many percent of a side."""
    radius = percent / 100 * len(pixels)
    return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    """As a JPEG of this quality shows it."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file).convert("RGB"))


def labelled(pixels: np.ndarray, words: str) -> np.ndarray:
    """With white words on a black band at the foot, as large as the width allows, at most a fifth high."""
    side, image = len(pixels), Image.fromarray(pixels)
    sizes = range(max(4, side // 5), 3, -1)
    fonts = (ImageFont.load_default(size) for size in sizes)
    font = next((each for each in fonts if each.getlength(words) <= 0.92 * side), ImageFont.load_default(4))
    height = max(side // 5, 1)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, side - height, side, side), fill="black")
    draw.text((side / 2, side - height / 2), words, fill="white", font=font, anchor="mm")
    return np.array(image)


def greyed(pixels: np.ndarray) -> np.ndarray:
    """Without colours: the luma of each pixel."""
    return np.array(Image.fromarray(pixels).convert("L").convert("RGB"))


def _demand(right: bool, name: str, value: object, expected: str) -> None:
    if not right:
        raise RequestError(f"{name} is {value!r}; expected {expected}")
