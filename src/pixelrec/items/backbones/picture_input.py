"""The input of a picture network: size of pictures, and mean and standard deviation of colours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self, TypeAlias, TypeGuard

import torch
from torch import Tensor

from pixelrec.errors import RecipeError

Colour: TypeAlias = tuple[float, float, float]  # of red, green and blue, where white is 1
DEFAULT_SIZE = 224

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
CLIP_MEAN: Colour = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Colour = (0.26862954, 0.26130258, 0.27577711)
HALF: Colour = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class PictureInput:
    """Square RGB pictures of `size` pixels, normalised per colour by mean and std."""

    size: int
    mean: Colour
    std: Colour

    def normalise(self, pictures: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """uint8 B, S, S, 3, as a picture store reads them → `dtype` B, 3, S, S, channels last in memory."""
        scale, shift = _scale_and_shift(self.mean, self.std, dtype, pictures.device)
        return (pictures.to(dtype) * scale + shift).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _scale_and_shift(
    mean: Colour, std: Colour, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """For values 0 … 255. Cached, since every copy to a device would wait for it."""
    middle, spread = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
    scale, shift = 1 / (255 * spread), -middle / spread
    return scale.to(device, dtype), shift.to(device, dtype)


@dataclass(frozen=True)
class PictureSizes:
    """The picture sizes that fit a network: multiples of `step` from `least` on."""

    step: int
    least: int

    def check(self, size: int, network: str) -> None:
        """Raises `RecipeError`, with the nearest suitable sizes, unless pictures of `size` pixels fit."""
        if size >= self.least and size % self.step == 0:
            return
        below = size // self.step * self.step
        smallest = math.ceil(self.least / self.step) * self.step
        fitting = sorted({max(below, smallest), max(below + self.step, smallest)})
        multiples = f"multiples of {self.step} from {smallest} on"
        which = multiples if self.step > 1 else f"{self.least} and more"
        raise RecipeError(
            f"pictures of {size} pixels do not fit {network}: it takes {which}; "
            f"choose {' or '.join(map(str, fitting))}"
        )


@dataclass(frozen=True)
class Preprocessing:
    """The content of a checkpoint's `preprocessor_config.json`; none for missing values."""

    size: int | None = None
    mean: Colour | None = None
    std: Colour | None = None

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Self:
        """Reads old and new forms of the file; scaling other than by 1/255 becomes part of mean and std."""
        mean, std = _colour(written, "image_mean"), _colour(written, "image_std")
        if std is not None and min(std) <= 0:
            raise _wrong("image_std", list(std), "three numbers above 0")
        if not written.get("do_normalize", True):
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        factor = written.get("rescale_factor")
        factor = 1 / 255 if factor is None else factor  # for colours 0 … 255
        if not written.get("do_rescale", True):
            factor = 1.0
        elif not _is_number(factor) or factor <= 0:
            raise _wrong("rescale_factor", factor, "a number above 0, such as 0.00392")
        return cls(_size(written), _divided(mean, 255 * factor), _divided(std, 255 * factor))


def _size(written: Mapping[str, Any]) -> int | None:
    # Without do_center_crop, a crop_size means that it crops, as in CLIP's first files.
    crops = written.get("do_center_crop", "crop_size" in written) and written.get("crop_size") is not None
    size = written.get("crop_size") if crops else written.get("size")
    if size is None or _is_size(size):
        return size
    if isinstance(size, list) and len(size) == 2:
        size = dict(zip(("height", "width"), size, strict=True))
    if not isinstance(size, dict) or not all(n is None or _is_size(n) for n in size.values()):
        raise _wrong("size", size, "a number of pixels")
    height, width = size.get("height"), size.get("width")
    if height != width:
        raise RecipeError(
            f"preprocessor_config.json asks for pictures of {height} × {width} pixels; expected a square: "
            "give the size in the recipe and correct the file"
        )
    return height or size.get("shortest_edge")


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value > 0


def _colour(written: Mapping[str, Any], name: str) -> Colour | None:
    values = written.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != 3 or not all(map(_is_number, values)):
        raise _wrong(name, values, "three numbers")
    return float(values[0]), float(values[1]), float(values[2])


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _wrong(name: str, value: object, expected: str) -> RecipeError:
    return RecipeError(
        f"preprocessor_config.json: {name} is {value!r}, expected {expected}; correct the file"
    )


def _divided(colour: Colour | None, by: float) -> Colour | None:
    if colour is None or math.isclose(by, 1.0):
        return colour
    return colour[0] / by, colour[1] / by, colour[2] / by
