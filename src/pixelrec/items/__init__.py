"""Item encoders: items in, rows of the table out.

The room knows what an item looks like; it must not know users, histories or losses. An encoder is a file
here and a word below, or a class of another package (`pixelrec.register`, entry points of `pixelrec.items`).
"""

from pixelrec.items.codes import CodeEncoder
from pixelrec.items.encoder import ITEM_ENCODERS
from pixelrec.items.features import FeatureEncoder
from pixelrec.items.id_table import IdTable
from pixelrec.items.joined import Joined
from pixelrec.items.pixels import PixelEncoder
from pixelrec.items.regions import RegionEncoder

__all__ = ["ITEM_ENCODERS"]

ITEM_ENCODERS.shipped |= {
    "id_table": IdTable,
    "features": FeatureEncoder,
    "codes": CodeEncoder,
    "regions": RegionEncoder,
    "pixels": PixelEncoder,
    "joined": Joined,
}
