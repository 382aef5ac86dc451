"""Every kind of file a folder of covers may hold, and what becomes of it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pixelrec.choices import Fit
from pixelrec.images import decode as decoding
from pixelrec.images.decode import MAX_PIXELS, Decoded, Refused, decode, ready
from pixelrec.images.square import GREY

SIZE = 32


@pytest.fixture(autouse=True)
def readied():
    with ready():
        yield


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A picture without symmetry: red grows to the right, green downwards, a blue corner at the top left."""
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    pixels = np.stack((x, y, np.full_like(x, 40)), 2)
    pixels[: height // 4, : width // 4, 2] = 220
    return Image.fromarray(pixels.astype(np.uint8))


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def reference(image: Image.Image, size: int = SIZE) -> np.ndarray:
    """What Pillow's own filter makes of a picture."""
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)).astype(int)


def decoded(data: bytes, size: int = SIZE, fit: Fit = "stretch") -> Decoded:
    return decode(data, size=size, fit=fit)


def refused(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        decoded(data)
    return caught.value


def furthest(got: Decoded, expected: np.ndarray) -> int:
    assert got.pixels.dtype == np.uint8 and got.pixels.flags.c_contiguous
    return int(np.abs(got.pixels.astype(int) - expected).max())


@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_lossless_picture_is_pillows_bilinear_within_a_level(format: str):
    got = decoded(saved(scene(), format))
    assert furthest(got, reference(scene())) <= 1
    assert (got.width, got.height, got.format, got.mode, got.decoder) == (96, 64, format, "RGB", "pillow")


@pytest.mark.parametrize("shape", [(96, 64), (500, 375), (640, 640), (33, 900), (3, 2)])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [24, 64])
def test_both_decoders_agree_on_a_jpeg(monkeypatch, shape, fit: Fit, size: int):
    pytest.importorskip("simplejpeg")
    data = saved(scene(*shape), "JPEG", quality=90)
    quick = decoded(data, size, fit)
    monkeypatch.setattr(decoding, "simplejpeg", None)
    thorough = decoded(data, size, fit)
    assert (quick.decoder, thorough.decoder) == ("simplejpeg", "pillow")
    assert quick[1:5] == thorough[1:5]
    assert furthest(quick, thorough.pixels.astype(int)) <= 1


def test_scaled_decoding_stays_near_the_full_one():
    data = saved(scene(1600, 1200), "JPEG", quality=95)
    assert furthest(decoded(data), reference(Image.open(io.BytesIO(data)))) <= 6


def test_crop_keeps_the_centre():
    image = Image.new("RGB", (90, 30), "red")
    image.paste("blue", (30, 0, 60, 30))
    got = decode(saved(image, "PNG"), size=30, fit="crop").pixels
    assert (got == (0, 0, 255)).all()


def test_pad_keeps_all_and_fills_with_grey():
    got = decode(saved(Image.new("RGB", (60, 20), "red"), "PNG"), size=30, fit="pad").pixels
    assert (got[10:20] == (255, 0, 0)).all()
    assert (got[:10] == GREY).all() and (got[20:] == GREY).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("quick", [True, False])
def test_exif_orientation_is_applied(monkeypatch, orientation: int, quick: bool):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if not quick:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = scene().transpose(undo[orientation]) if orientation > 1 else scene()
    got = decoded(saved(stored, "JPEG", quality=95, exif=exif))
    assert (got.width, got.height) == (96, 64)
    assert furthest(got, reference(scene())) <= 16


def test_broken_exif_is_no_reason_to_refuse():
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff" + bytes(20)
    assert furthest(decoded(saved(scene(), "JPEG", quality=95, exif=exif)), reference(scene())) <= 12


def test_grey_jpeg_becomes_rgb():
    got = decoded(saved(scene().convert("L"), "JPEG", quality=95))
    assert got.mode == "L"
    assert furthest(got, reference(scene().convert("L"))) <= 4


def test_16_bit_grey_keeps_its_upper_byte():
    grey = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    got = decoded(saved(Image.fromarray(grey), "PNG"))
    assert furthest(got, reference(Image.fromarray((grey >> 8).astype(np.uint8)))) <= 1


def test_cmyk_jpeg_becomes_rgb():
    cmyk = scene().convert("CMYK")
    got = decoded(saved(cmyk, "JPEG", quality=95))
    assert (got.mode, got.decoder) == ("CMYK", "pillow")
    assert furthest(got, reference(scene())) <= 16


def test_palette_becomes_rgb():
    image = scene().quantize(64)
    assert furthest(decoded(saved(image, "PNG")), reference(image)) <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGB"])
def test_transparency_is_laid_on_white(mode: str):
    if mode == "P":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([9, 9, 9, 200, 0, 0])
        data = saved(image, "PNG", transparency=1)
    elif mode == "RGB":
        data = saved(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    elif mode == "PA":
        image = Image.new("RGBA", (8, 8), (10, 200, 30, 0)).quantize(4)
        data = saved(image, "PNG")
    else:
        data = saved(Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode), "PNG")
    assert (decoded(data).pixels == 255).all()


def test_half_transparency_mixes_with_white():
    got = decoded(saved(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG")).pixels
    assert (np.abs(got.astype(int) - 127) <= 1).all()


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_animation_gives_its_first_frame(format: str):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert (decoded(data).pixels == (255, 0, 0)).all()


def test_one_pixel_is_enlarged():
    assert (decoded(saved(Image.new("RGB", (1, 1), (7, 8, 9)), "PNG")).pixels == (7, 8, 9)).all()


def test_format_is_decided_by_the_bytes():
    assert decoded(saved(scene(), "WEBP")).format == "WEBP"


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("quick", [True, False])
def test_truncated_jpeg_is_refused(monkeypatch, kept: float, quick: bool):
    if not quick:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), "JPEG")
    assert refused(data[: int(len(data) * kept)]).reason == "truncated"


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "BMP"])
def test_other_truncated_pictures_are_refused(format: str):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), format)
    assert refused(data[: len(data) // 2]).reason in {"truncated", "damaged"}


def test_header_alone_is_damaged():
    assert refused(saved(scene(), "JPEG")[:12]).reason in {"damaged", "truncated"}


@pytest.mark.parametrize("data", [b"<!DOCTYPE html><p>404", b"\x00" * 100, b"%PDF-1.7", b"<svg/>"])
def test_other_files_are_refused_and_quoted(data: bytes):
    error = refused(data)
    assert error.reason == "not-a-picture"
    assert repr(data[:12]) in error.detail


def test_formats_that_are_not_covers_are_refused():
    assert refused(saved(scene(), "PPM")).reason == "not-a-picture"


def test_bomb_is_refused_by_its_header():
    side = 60_000
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    assert refused(b"\x89PNG\r\n\x1a\n" + body).reason == "too-large"


@pytest.mark.parametrize("quick", [True, False])
def test_jpeg_beyond_the_limit_is_refused_before_decoding(monkeypatch, quick: bool):
    if not quick:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    data = bytearray(saved(Image.new("RGB", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0")  # the frame header: marker, length, precision, height, width
    data[at + 5 : at + 9] = struct.pack(">HH", 9000, 9000)
    assert MAX_PIXELS < 9000 * 9000
    error = refused(bytes(data))
    assert error.reason == "too-large"
    assert "9000 × 9000" in error.detail
