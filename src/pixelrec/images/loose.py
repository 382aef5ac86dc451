"""Pictures outside a store, of new items: read, decoded and made square."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pixelrec.choices import Fit
from pixelrec.errors import ImageError
from pixelrec.images.covers import read_cover
from pixelrec.images.decode import Refused, decode, ready


def read_loose(paths: Sequence[Path], *, size: int, fit: Fit) -> np.ndarray:
    """uint8[n, size, size, 3] of picture files, as in a store.

    Raises:
        ImageError: naming the first file that is no usable picture, with the reason.
    """
    pictures = []
    with ready():
        for path in paths:
            try:
                data, _ = read_cover(path)
                pictures.append(decode(data, size=size, fit=fit).pixels)
            except Refused as refused:
                raise ImageError(
                    f"{path}: {refused.reason}: {refused.detail}; expected a picture, such as a JPEG"
                ) from None
    return np.stack(pictures)
