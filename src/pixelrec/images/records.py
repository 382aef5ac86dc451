"""The records of a picture store, by item: a picture, and the stamp of its cover.

A picture is raw uint8 (height × width × 3), the width and height of its cover, and a checksum. A stamp is the
size and time of the cover's file, a digest of its bytes, and a checksum. A picture without a stamp is grey or
unreliable: packing makes it again.
"""

from __future__ import annotations

import struct
import zlib
from hashlib import sha256
from typing import Any

import numpy as np

from pixelrec.images.covers import Stamp

_TRAILER = struct.Struct("<III")  # of a picture: width and height of its cover in pixels, CRC-32
TRAILER_BYTES = _TRAILER.size
_STAMP = struct.Struct(">Qq")  # bytes, modified
_SEAL = 4  # bytes of a stamp's CRC-32
_LONGEST_KEY = 511  # of LMDB as it is built everywhere
_HASHED = b"\xff"  # no UTF-8 text starts with this byte


def key_of(item_id: str) -> bytes:
    """The key of an item: its id in UTF-8, or a hash if that is too long for LMDB."""
    key = item_id.encode("utf-8", "surrogatepass")
    return key if 0 < len(key) <= _LONGEST_KEY else _HASHED + sha256(key).digest()


def picture_record(key: bytes, pixels: np.ndarray, width: int, height: int) -> bytes:
    """Of a picture, with the size of its cover in pixels."""
    return pixels.tobytes() + _TRAILER.pack(width, height, _checksum(key, pixels.data, width, height))


def cover_size(key: bytes, record: Any, pixels: int) -> tuple[int, int] | None:
    """Width and height of the cover of a picture of so many bytes; none if its record is damaged."""
    if len(record) != pixels + _TRAILER.size:
        return None
    width, height, expected = _TRAILER.unpack_from(record, pixels)
    return (width, height) if _checksum(key, record[:pixels], width, height) == expected else None


def stamp_record(key: bytes, stamp: Stamp, digest: bytes) -> bytes:
    """Of the stamp of a cover, with the digest of its bytes."""
    return _sealed(key, _STAMP.pack(*stamp) + digest)


def read_stamp(key: bytes, record: bytes) -> tuple[Stamp, bytes] | None:
    """The stamp of a cover and the digest of its bytes; none if the record is damaged."""
    body = record[:-_SEAL]
    return (Stamp(*_STAMP.unpack_from(body)), body[_STAMP.size :]) if _sealed(key, body) == record else None


def _sealed(key: bytes, body: bytes) -> bytes:
    return body + zlib.crc32(body, zlib.crc32(key)).to_bytes(_SEAL, "little")


def _checksum(key: bytes, pixels: Any, width: int, height: int) -> int:
    """CRC-32 of a picture, the item it belongs to, and the size of its cover."""
    return zlib.crc32(pixels, zlib.crc32(b"%d %d " % (width, height) + key))
