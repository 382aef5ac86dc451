"""MicroLens: `…_pairs.csv` with a row for each event, titles, and a folder of covers.

Without times there is `…_pairs.tsv`, a line for each user: `user<tab>item item item`, the oldest first.
"""

from __future__ import annotations

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing, columns_of

NAME = "MicroLens"


def recognise(listing: Listing) -> GivenFolder | None:
    events, histories = listing.ending("_pairs.csv"), listing.ending("_pairs.tsv")
    table = listing.one("interactions", events or histories)
    if table is None:
        return None
    items = listing.one("titles", listing.ending("_titles.csv", "_title_en.csv"))
    return GivenFolder(
        NAME,
        listing,
        {table: {}},
        columns_of(listing.header(table)) if events else {},
        None if events else "histories",
        items=items,
        items_id_column=None if items is None else columns_of(listing.header(items)).get("item_column"),
        order="time" if events else "file",
    )
