"""MovieLens: ratings and movies, as `.csv`, as `.dat` with `::`, or as `u.data` and `u.item`.

Only `.csv` has headers.
"""

from __future__ import annotations

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing, columns_of
from pixelrec.errors import DataError

NAME = "MovieLens"
_SETS = {"ratings.dat": "movies.dat", "ratings.csv": "movies.csv", "u.data": "u.item"}
_PLACES = {"user_column": "1", "item_column": "2", "rating_column": "3", "time_column": "4"}
_MOVIES = {"1": "movie_id", "2": "title", "3": "genres"}
_U_ITEM = {"1": "movie_id", "2": "title", "3": "release_date"}


def recognise(listing: Listing) -> GivenFolder | None:
    found = [table for table in _SETS if table in listing.files]
    if not found or (found == ["ratings.csv"] and not _is_movielens(listing)):
        return None
    if len(found) > 1:
        raise DataError(
            f"{listing.folder}: several sets of MovieLens: {', '.join(found)}; give one of the files"
        )
    table, items = listing.files[found[0]], listing.files.get(_SETS[found[0]])
    if found[0] == "ratings.csv":
        columns, id_column, named = columns_of(listing.header(table)), "movieId", None
    else:
        columns, id_column, named = _PLACES, "1", _U_ITEM if found[0] == "u.data" else _MOVIES
    return GivenFolder(
        NAME, listing, {table: {}}, columns, items=items, items_id_column=id_column, items_columns=named
    )


def _is_movielens(listing: Listing) -> bool:
    return "movies.csv" in listing.files or "movieId" in listing.header(listing.files["ratings.csv"])
