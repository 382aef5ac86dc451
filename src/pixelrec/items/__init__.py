"""Item encoders: items in, rows of the table out. A new one is a file here and a line below."""

from pixelrec.items.id_table import IdTable
from pixelrec.items.joined import Joined
from pixelrec.items.pixels import PixelEncoder
from pixelrec.items.registry import ITEM_ENCODERS

__all__ = ["ITEM_ENCODERS"]

ITEM_ENCODERS |= {"id_table": IdTable, "pixels": PixelEncoder, "joined": Joined}
