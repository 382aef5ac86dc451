"""One encoded picture → a square of pixels, or the reason why not.

Pillow decides what is a picture. simplejpeg, if installed, is a faster way to the same pixels: both decode
with libjpeg-turbo at the same scale and share `square`. Files that simplejpeg declines (CMYK, damage) are
left to Pillow, so the outcome does not depend on what is installed.

An animation gives its first frame; transparency is laid on white; 16-bit grey keeps its upper byte; CMYK and
Adobe's inverted CMYK become RGB; the EXIF orientation is applied; colour profiles are ignored. The bytes
decide the format, not the file's name.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError

from pixelrec.choices import Fit
from pixelrec.images.square import square

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

Reason: TypeAlias = Literal[
    "missing", "not-a-file", "unreadable", "empty", "not-a-picture", "truncated", "too-large", "damaged"
]
MAX_PIXELS = 1 << 26  # 8,192 × 8,192: about 0.5 GB while one is decoded
FORMATS = {  # Pillow's name → how a file of that format starts
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "AVIF": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
    "GIF": re.compile(rb"GIF8"),
    "BMP": re.compile(rb"BM"),
}
START = 12  # bytes that tell the format
_QUICK_COLOURS = frozenset({"YCbCr", "Gray", "RGB"})  # of a JPEG, in simplejpeg's words
_MODES = {"YCbCr": "RGB", "Gray": "L"}  # simplejpeg's word → Pillow's
_ORIENTATION = 0x0112  # the EXIF tag


class Refused(Exception):
    """A cover that cannot be used: a `reason` of the list and a `detail` for the message."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Decoded(NamedTuple):
    """A picture as in the store, and the properties of its file."""

    pixels: np.ndarray  # uint8[size, size, 3], RGB
    width: int  # as seen, orientation applied
    height: int
    format: str  # one of FORMATS
    mode: str  # Pillow's word: RGB, L, P, CMYK, …
    decoder: str  # "simplejpeg" or "pillow"


@dataclass(frozen=True)
class _Raster:
    """A picture in its own shape, perhaps scaled down while decoding."""

    pixels: np.ndarray  # uint8[height, width, 3]
    width: int  # of the file, before scaling and orientation
    height: int
    mode: str
    orientation: int


def decode(data: bytes, *, size: int, fit: Fit, most: int = MAX_PIXELS) -> Decoded:
    """Decodes to uint8[size, size, 3], or raises `Refused`; may run in threads, inside `ready()`.

    most: pixels of the file.
    """
    name, decoder = "JPEG", "simplejpeg"
    raster = _quick(data, size, fit, most) if format_of(data) == "JPEG" else None
    if raster is None:
        (name, raster), decoder = _thorough(data, size, fit, most), "pillow"
    width, height = raster.width, raster.height
    if raster.orientation >= 5:  # rows and columns are swapped
        width, height = height, width
    upright = _upright(raster.pixels, raster.orientation)
    return Decoded(square(upright, size, fit), width, height, name, raster.mode, decoder)


def format_of(start: bytes) -> str | None:
    """The format of a picture, from its first `START` bytes; none if they are of no picture."""
    return next((name for name, pattern in FORMATS.items() if pattern.match(start)), None)


@contextmanager
def ready() -> Iterator[None]:
    """Loads the decoders and silences Pillow, before threads share them.

    Python's warning filters belong to the whole process, so they are set around the threads, not in one.
    """
    import torch.nn.functional  # noqa: F401

    Image.init()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def decoder_versions() -> dict[str, str]:
    """The installed decoders and their versions."""
    return {"pillow": PIL.__version__} | ({"simplejpeg": simplejpeg.__version__} if simplejpeg else {})


def _quick(data: bytes, size: int, fit: Fit, most: int) -> _Raster | None:
    """A JPEG by simplejpeg; None if it is left to Pillow."""
    if simplejpeg is None:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in _QUICK_COLOURS:
            return None
        _check_pixels(width, height, most)
        f = _reduction(width, height, size, fit)
        pixels = simplejpeg.decode_jpeg(data, min_height=-(-height // f), min_width=-(-width // f))
    except ValueError:  # of damage, and of harmless oddities
        return None
    return _Raster(pixels, width, height, _MODES.get(colours, colours), _jpeg_orientation(data))


def _thorough(data: bytes, size: int, fit: Fit, most: int) -> tuple[str, _Raster]:
    """Any picture by Pillow, with the name of its format."""
    try:
        with Image.open(BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            _check_pixels(*image.size, most)
            width, height = image.size
            f = _reduction(width, height, size, fit)
            image.draft("RGB", (max(1, width // f), max(1, height // f)))
            mode, orientation = image.mode, _orientation(image)
            name = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with more behind it
            return name, _Raster(_rgb(image), width, height, mode, orientation)
    except Refused:
        raise
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except Image.DecompressionBombError as error:
        raise Refused("too-large", str(error)) from None
    except Exception as error:  # broken files make Pillow raise almost anything
        if "truncated" in str(error):
            raise Refused("truncated", "the file ends before the picture does") from None
        raise Refused("damaged", f"{type(error).__name__}: {error}") from None


def _rgb(image: Image.Image) -> np.ndarray:
    """The first frame as uint8[height, width, 3]."""
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it to white
        grey = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))
    return np.array(image.convert("RGB"))


def _reduction(width: int, height: int, size: int, fit: Fit) -> int:
    """The factor by which a JPEG is reduced while decoding: 1, 2, 4 or 8.

    The result keeps at least twice the pixels that `square` needs per side, so that its filter, not the
    decoder's coarse one, determines the picture.
    """
    side = max(width, height) if fit == "pad" else min(width, height)
    return next((f for f in (8, 4, 2) if side >= 2 * size * f), 1)


def _check_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise Refused("too-large", f"{width} × {height} pixels, at most {most:,} are read")


def _unidentified(data: bytes) -> Refused:
    name = format_of(data)
    if name is not None and name not in Image.OPEN:
        return Refused(
            "not-a-picture", f"it is {name}, which the installed Pillow {PIL.__version__} cannot read"
        )
    if name is not None:
        return Refused("damaged", f"it starts like a file of format {name}, but its header cannot be read")
    return Refused("not-a-picture", f"it starts with {data[:12]!r}; read are {', '.join(FORMATS)}")


def _jpeg_orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, which is opened again only if it may have one."""
    if data.find(b"\xff\xe1", 0, 1 << 16) < 0:  # the marker of EXIF and XMP
        return 1
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as image:
            return _orientation(image)
    except Exception:  # the pixels are sound: no reason to refuse them for their EXIF
        return 1


def _orientation(image: Image.Image) -> int:
    """1 … 8; 1, upright, also if EXIF is absent or broken."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF makes Pillow raise almost anything
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation (TIFF 6.0 / EXIF 2.3, tag 0x0112)."""
    if orientation == 1:
        return pixels
    if orientation >= 5:  # rows and columns are swapped
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):  # upside down
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):  # mirrored
        pixels = pixels[:, ::-1]
    return pixels
