"""Amazon reviews of 2014, 2018 and 2023: JSON lines of reviews, and of products in `meta_NAME`.

Those of 2014 are lines of Python instead, which are read as JSON. Texts have the entities of HTML.
Of 2014 there are also the ratings alone: `ratings_NAME.csv` without a header.
"""

from __future__ import annotations

from pathlib import Path

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing

NAME = "Amazon reviews"
_JSON = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_ROLES = ("user_column", "item_column", "time_column", "rating_column")
_2014 = ("reviewerID", "asin", "unixReviewTime", "overall")  # and 2018
_2023 = ("user_id", "parent_asin", "timestamp", "rating")
_PLACES = ("1", "2", "4", "3")  # of ratings_NAME.csv
_TAKEN = ("title", "main_category", "main_cat", "brand", "store", "price", "average_rating", "rating_number")
_ADDRESSES = ("images", "imUrl", "imageURL", "imageURLHighRes")


def recognise(listing: Listing) -> GivenFolder | None:
    metas = [path for path in listing.ending(*_JSON) if path.name.lower().startswith("meta_")]
    found = {path: roles for path in listing.files.values() if (roles := _roles(listing, path)) is not None}
    if not found:
        return None
    if metas or len(set(found.values())) > 1:
        listing.one("reviews", list(found))  # products of several categories are in several files
    roles = next(iter(found.values()))
    items = listing.one("products", metas)
    item = "asin" if roles is _PLACES else roles[1]
    keys = [] if items is None else listing.header(items)
    if items is not None and item not in keys:
        listing.demand_readable([items])
        items = None
    how = "addresses of pictures are left alone: download them, and give the folder with --covers"
    return GivenFolder(
        NAME,
        listing,
        {path: dict[str, str]() for path in found},
        dict(zip(_ROLES, roles, strict=True)),
        items=items,
        items_id_column=item,
        items_columns={key: key for key in (item, *_TAKEN) if key in keys},
        has_entities=True,
        notes=(how,) if any(key in keys for key in _ADDRESSES) else (),
    )


def _roles(listing: Listing, path: Path) -> tuple[str, ...] | None:
    """The columns of reviews, or None if the file has none."""
    name = path.name.lower()
    if name.endswith(_JSON) and not name.startswith("meta_"):
        keys = set(listing.header(path))
        return next((roles for roles in (_2014, _2023) if set(roles[:3]) <= keys), None)
    is_ratings = name.startswith("ratings_") and name.endswith((".csv", ".csv.gz"))
    return _PLACES if is_ratings and not listing.header(path) else None
