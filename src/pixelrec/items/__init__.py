"""Item encoders: items in, rows of the table out.

The room knows what an item looks like; it must not know users, histories or losses. An encoder is a file
here and a word below, or a class of another package (`pixelrec.register`, entry points of `pixelrec.items`).
"""

from pixelrec.items.encoder import ITEM_ENCODERS

__all__ = ["ITEM_ENCODERS"]

ITEM_ENCODERS.shipped |= {
    "id_table": "pixelrec.items.id_table:IdTable",
    "features": "pixelrec.items.features:FeatureEncoder",
    "codes": "pixelrec.items.codes:CodeEncoder",
    "regions": "pixelrec.items.regions:RegionEncoder",
    "pixels": "pixelrec.items.pixels:PixelEncoder",
    "joined": "pixelrec.items.joined:Joined",
}
