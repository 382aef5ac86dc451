"""The manifest of a picture store: its options and its state, as JSON and its CRC-32."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, final

from pixelrec.choices import Fit
from pixelrec.errors import ImageError
from pixelrec.images.environment import KEY, damage, not_a_store

FORMAT = "pixelrec pictures"
VERSION = 2


@final
@dataclass(frozen=True)
class Manifest:
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

    def to_bytes(self) -> bytes:
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
        return text + b"\n%08x" % zlib.crc32(text)

    @classmethod
    def read(cls, txn: Any, path: Path) -> Self:
        """Of the store at `path`; an `ImageError` if it is of another program or version, or damaged."""
        text, _, checksum = bytes(txn.get(KEY) or b"").partition(b"\n")
        try:
            values = json.loads(text.decode("utf-8", "surrogatepass"))
            version = values["version"] if values["format"] == FORMAT else None
        except (ValueError, KeyError, TypeError, RecursionError):
            version = None
        if version is None:
            raise not_a_store(path)
        if version != VERSION:
            raise ImageError(
                f"the picture store {path} has format version {version!r}, this pixelrec reads {VERSION}: "
                "pack the covers again, with --overwrite"
            )
        if checksum != b"%08x" % zlib.crc32(text):
            raise damage(path, "its manifest was changed")
        return cls(**values)
