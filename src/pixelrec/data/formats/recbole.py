"""RecBole's atomic files: tables with tabs whose header has types, such as `item_id:token`.

A set is `NAME.inter`, or already divided: `NAME.train.inter`, `NAME.valid.inter` and `NAME.test.inter`.
"""

from __future__ import annotations

import re

from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.formats.listing import Listing, columns_of
from pixelrec.errors import DataError

NAME = "RecBole"
_TYPED = re.compile(r"[^:]+:(token|float)(_seq)?")
_PARTS = {"train": "0", "valid": "1", "test": "2"}


def recognise(listing: Listing) -> GivenFolder | None:
    tables = [path for path in listing.ending(".inter") if is_typed(listing.header(path))]
    if not tables:
        listing.demand_readable(listing.ending(".inter"))
        return None
    divided = {word: [p for p in tables if p.name.lower().endswith(f".{word}.inter")] for word in _PARTS}
    whole = [path for path in tables if not any(path in some for some in divided.values())]
    if any(divided.values()):
        files = {path: {"split": _PARTS[word]} for word, some in divided.items() for path in some}
        absent = [word for word, some in divided.items() if not some]
        if absent or whole or len(files) > len(_PARTS):
            names = ", ".join(path.name for path in tables)
            raise DataError(
                f"{listing.folder}: expected NAME.train.inter, NAME.valid.inter and NAME.test.inter of one "
                f"set, or NAME.inter alone; there are {names}"
            )
    else:
        table = listing.one("interactions", whole)
        files = {} if table is None else {table: {}}
    first = next(iter(files))
    columns = columns_of(listing.header(first))
    lists = [name for name in listing.header(first) if name.endswith("item_id_list:token_seq")]
    if lists:
        raise DataError(f"{first}: has histories in lists ({lists[0]}); expected a row for each event")
    items = listing.one("items", listing.ending(".item"))
    return GivenFolder(
        NAME,
        listing,
        files,
        columns,
        split_column="split" if len(files) > 1 else None,
        items=items,
        items_id_column=columns.get("item_column"),
        items_columns=None if items is None else _names(listing.header(items)),
    )


def is_typed(header: list[str]) -> bool:
    return bool(header) and all(_TYPED.fullmatch(name) for name in header)


def _names(header: list[str]) -> dict[str, str]:
    """The columns of items without their types; the likeliest one is the title."""
    names = {column: column.partition(":")[0] for column in header}
    for ending in ("title", "name"):
        if "title" not in names.values():
            titles = [column for column, name in names.items() if name.endswith(ending)]
            names |= dict.fromkeys(titles[:1], "title")
    return names
