"""PixelRec's download: interactions, item information and covers; HLLM has the two tables in two folders."""

from __future__ import annotations

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing

NAME = "PixelRec"
_EVENTS = {"item_id", "user_id", "timestamp"}
_FOLDERS = ("dataset", "information")  # of the code of PixelRec and HLLM
_MOST = 20  # tables: more are parts of one
_TEXTS = {"title", "tag", "description"}


def recognise(listing: Listing) -> GivenFolder | None:
    folders = [listing.folders[name] for name in _FOLDERS if name in listing.folders]
    places = [listing, *map(Listing, folders)]
    headers = {path: set(each.header(path)) for each in places for path in each.ending(".csv")[:_MOST]}
    events = [path for path, header in headers.items() if header == _EVENTS]
    about = [path for path, header in headers.items() if "item_id" in header and header & _TEXTS]
    covers = next((found for each in places if (found := each.covers()) is not None), None)
    if not events or len(headers) >= _MOST or (not about and covers is None):
        return None
    table = listing.one("interactions", events)
    assert table is not None
    items = next((path for path in about if path.stem == table.stem), None)
    if items is None:
        items = listing.one("item information", about)
    columns = {"item_column": "item_id", "user_column": "user_id", "time_column": "timestamp"}
    return GivenFolder(
        NAME, listing, {table: {}}, columns, items=items, items_id_column="item_id", pictures=covers
    )
