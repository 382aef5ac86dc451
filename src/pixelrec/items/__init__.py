"""Item encoders: items in, rows of the table out. A new one is a file here and a line below."""

from collections.abc import Mapping

from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.items.id_table import IdTable
from pixelrec.items.joined import Joined
from pixelrec.items.pixels import PixelEncoder

ITEM_ENCODERS: Mapping[str, type[AbstractItemEncoder]] = {
    "id_table": IdTable,
    "pixels": PixelEncoder,
    "joined": Joined,
}
