"""MicroLens: `…_pairs.csv` with a row for each event, titles, and a folder of covers."""

from __future__ import annotations

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing, columns_of
from pixelrec.errors import DataError

NAME = "MicroLens"


def recognise(listing: Listing) -> GivenFolder | None:
    tables = listing.ending("_pairs.csv")
    if not tables:
        if histories := listing.ending("_pairs.tsv"):
            name = histories[0].name
            wanted = name.removesuffix(".tsv") + ".csv"
            raise DataError(f"{listing.folder}: {name} has histories without times; put {wanted} beside it")
        return None
    table = listing.one("interactions", tables)
    assert table is not None
    titles = listing.ending("_titles.csv", "_title_en.csv")
    items = listing.one("titles", titles)
    columns = columns_of(listing.header(table))
    id_column = None if items is None else columns_of(listing.header(items)).get("item_column")
    notes = listing.unread([table, items])
    return GivenFolder(
        NAME,
        listing.folder,
        {table: {}},
        columns,
        items=items,
        items_id_column=id_column,
        covers=listing.covers(),
        notes=notes,
    )
