"""PixelRec's download: interactions, item information and covers; HLLM has the two tables in two folders."""

from __future__ import annotations

from pathlib import Path

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing

NAME = "PixelRec"
_EVENTS = {"item_id", "user_id", "timestamp"}
_MOST = 20
_TEXTS = {"title", "tag", "description"}


def recognise(listing: Listing) -> GivenFolder | None:
    tables = _tables(listing)
    if len(tables) > _MOST:  # parts of one table
        return None
    headers = {path: set(listing.header(path)) for path in tables}
    events = [path for path, header in headers.items() if header == _EVENTS]
    about = [path for path, header in headers.items() if "item_id" in header and header & _TEXTS]
    if not events or not (about or listing.covers()):
        return None
    table = listing.one("interactions", events)
    assert table is not None
    items = next((path for path in about if path.stem == table.stem), None)
    if items is None:
        items = listing.one("item information", about)
    covers = listing.covers()
    notes = listing.unread([table, items, covers, table.parent, None if items is None else items.parent])
    columns = {"item_column": "item_id", "user_column": "user_id", "time_column": "timestamp"}
    return GivenFolder(
        NAME, listing.folder, {table: {}}, columns, None, items, "item_id", covers=covers, notes=notes
    )


def _tables(listing: Listing) -> list[Path]:
    """The tables in the folder, or in its folders `dataset` and `information`."""
    below = [Listing(listing.folders[name]) for name in ("dataset", "information") if name in listing.folders]
    return [path for each in (listing, *below) for path in each.ending(".csv")]
