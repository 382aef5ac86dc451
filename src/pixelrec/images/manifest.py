"""The manifest of a picture store: JSON under a reserved key.

The LMDB environment holds the manifest in the main database and, in a database each, the pictures (raw uint8,
height × width × 3) and the stamps of their covers, each followed by a digest of the cover's bytes. A picture
without a stamp is grey or unreliable: packing makes it again.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from pixelrec.choices import Fit
from pixelrec.errors import ImageError

FORMAT = "pixelrec pictures"
VERSION = 1
KEY = b"manifest"
PICTURES = b"pictures"
STAMPS = b"stamps"
STAMP = struct.Struct(">Qq")  # of a cover: bytes, modified
_LONGEST_KEY = 511  # of LMDB as it is built everywhere
_HASHED = b"\xff"  # no UTF-8 text starts with this byte


@dataclass(frozen=True)
class Manifest:
    """The options of a store and its state."""

    size: int  # height and width of every picture, pixels
    fit: Fit
    expected: int  # pictures requested by the last packing
    complete: bool  # false during packing, and after an interruption
    source: str  # name of the folder of covers
    count: int = 0  # pictures when it was completed
    grey: dict[str, str] = field(default_factory=dict)  # item id → why it has a grey picture
    decoders: dict[str, str] = field(default_factory=dict)  # name → version
    channels: str = "RGB"
    filter: str = "bilinear, antialiased"
    format: str = FORMAT
    version: int = VERSION

    @property
    def picture_bytes(self) -> int:
        return self.size * self.size * len(self.channels)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")

    @classmethod
    def from_json(cls, text: bytes, path: Path) -> Manifest:
        """Raises `ImageError` if this is another program's or another version's manifest."""
        try:
            values = json.loads(text.decode("utf-8", "surrogatepass"))
            if values["format"] == FORMAT and values["version"] == VERSION:
                return cls(**values)
            version = values["version"] if values["format"] == FORMAT else None
        except (ValueError, KeyError, TypeError):
            version = None
        if version is None:
            raise ImageError(f"{path} is not a picture store: pack one with `pixelrec images pack`")
        raise ImageError(
            f"the picture store {path} has format version {version}, this pixelrec reads {VERSION}: "
            "pack the covers again, with --overwrite"
        )


def key_of(item_id: str) -> bytes:
    """The key of an item: its id in UTF-8, or a hash if that is too long for LMDB."""
    key = item_id.encode("utf-8", "surrogatepass")
    return key if 0 < len(key) <= _LONGEST_KEY else _HASHED + sha256(key).digest()
