"""Amazon reviews of 2014, 2018 and 2023: JSON lines of reviews, and of products in `meta_NAME`."""

from __future__ import annotations

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing

NAME = "Amazon reviews"
_JSON = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_KEYS = (  # of reviews: user, item, time
    ("reviewerID", "asin", "unixReviewTime"),  # 2014 and 2018
    ("user_id", "parent_asin", "timestamp"),  # 2023
)
_TAKEN = ("title", "main_category", "main_cat", "brand", "store", "price", "average_rating", "rating_number")
_ADDRESSES = ("images", "imUrl", "imageURL", "imageURLHighRes")


def recognise(listing: Listing) -> GivenFolder | None:
    tables, metas = [], []
    for path in listing.ending(*_JSON):
        keys = listing.header(path)
        if path.name.lower().startswith("meta_"):
            metas.append(path)
        elif any(set(names) <= set(keys) for names in _KEYS):
            tables.append(path)
    if not tables:
        return None
    if metas:
        listing.one("reviews", tables)  # as products of several categories are in several files
    user, item, time = next(names for names in _KEYS if set(names) <= set(listing.header(tables[0])))
    columns = {"user_column": user, "item_column": item, "time_column": time, "rating_column": "overall"}
    if time == "timestamp":
        columns["rating_column"] = "rating"
    items = listing.one("products", metas)
    keys = [] if items is None else listing.header(items)
    taken = {key: key for key in (item, *_TAKEN) if key in keys}
    notes = listing.unread([*tables, items])
    if items is not None and not keys:
        notes = (f"{items.name} is not JSON, as that of 2014, and is not read", *notes)
        items = None
    if any(key in keys for key in _ADDRESSES):
        notes = (
            "addresses of pictures are left alone: download them, and give the folder with --covers",
            *notes,
        )
    return GivenFolder(
        NAME, listing.folder, {table: {} for table in tables}, columns, None, items, item, taken, notes=notes
    )
