"""Pixels of any shape → a square: stretch, crop or pad.

The filter is bilinear with antialiasing, Pillow's and torchvision's default `Resize`, which published
recommenders from pixels were trained with. Torch's kernel is within one level of Pillow's and several times
faster.
"""

from __future__ import annotations

import numpy as np

from pixelrec.choices import Fit

GREY = 128  # of padding, and of pictures of items without a cover


def square(pixels: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """uint8[h, w, 3] → uint8[size, size, 3], contiguous.

    "stretch" ignores the aspect ratio, "crop" takes the largest centred square, "pad" keeps everything and
    fills the rest with grey.
    """
    height, width, _ = pixels.shape
    if fit == "stretch":
        return _resized(pixels, size, size)
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return _resized(pixels[top : top + side, left : left + side], size, size)
    h, w = (max(1, round(side * size / max(height, width))) for side in (height, width))
    top, left = (size - h) // 2, (size - w) // 2
    canvas = grey_square(size)
    canvas[top : top + h, left : left + w] = _resized(pixels, h, w)
    return canvas


def grey_square(size: int) -> np.ndarray:
    """The picture of an item without a cover: uint8[size, size, 3], mid-grey."""
    return np.full((size, size, 3), GREY, np.uint8)


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    import torch
    from torch.nn.functional import interpolate

    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels)
    image = torch.from_numpy(np.ascontiguousarray(pixels))[None].permute(0, 3, 1, 2)  # channels last
    small = interpolate(image, size=(height, width), mode="bilinear", antialias=True)
    return np.ascontiguousarray(small[0].permute(1, 2, 0).numpy())
