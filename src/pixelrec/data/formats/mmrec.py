"""MMRec's folders: `NAME.inter` with a label of the split, and arrays of features by item number.

`x_label` is 0 for training, 1 for validation and 2 for test; row r of `image_feat.npy` is of item r. Tables
`i_id_mapping.csv` and `u_id_mapping.csv` have the ids behind the numbers.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pixelrec.data.csv_file import read_csv_table
from pixelrec.data.formats.given import GivenFolder, IdTable, Noun
from pixelrec.data.formats.listing import Listing, columns_of
from pixelrec.data.formats.recbole import is_typed
from pixelrec.errors import DataError

NAME = "MMRec"
_LABEL = "x_label"
_IDS: dict[Noun, str] = {"item": "i_id_mapping.csv", "user": "u_id_mapping.csv"}


def recognise(listing: Listing) -> GivenFolder | None:
    arrays = {path.stem: path for path in listing.ending("_feat.npy")}
    tables = [path for path in listing.ending(".inter") if not is_typed(listing.header(path))]
    labelled = [path for path in tables if _LABEL in listing.header(path)]
    if not labelled and not (arrays and tables):
        if arrays and not listing.ending(".inter"):
            names = ", ".join(path.name for path in arrays.values())
            raise DataError(f"{listing.folder}: {names} as of MMRec, but no NAME.inter beside them")
        return None
    table = listing.one("interactions", labelled or tables)
    assert table is not None
    of_ids = {noun: listing.files[name] for noun, name in _IDS.items() if name in listing.files}
    return GivenFolder(
        NAME,
        listing,
        {table: {}},
        columns_of(listing.header(table)),
        split_column=_LABEL if labelled else None,
        features=arrays,
        ids={noun: IdTable(path, _ids(path, f"{noun}ID")) for noun, path in of_ids.items()},
    )


def _ids(path: Path, number: str) -> pl.Series:
    """The id behind each number, which are 0, 1, …; they stand in the column beside that of numbers."""
    table = read_csv_table(path, number)
    places = table[number].cast(pl.Int64, strict=False)
    names = [name for name in table.columns if name != number]
    if len(names) != 1 or places.sort().to_list() != list(range(len(places))):
        raise DataError(f"{path}: expected a column of ids, and {number} with the numbers from 0, each once")
    return table[names[0]].gather(places.arg_sort())
