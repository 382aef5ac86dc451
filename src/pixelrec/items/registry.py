"""The item encoders that recipes may name."""

from pixelrec.items.encoder import AbstractItemEncoder

ITEM_ENCODERS: dict[str, type[AbstractItemEncoder]] = {}
