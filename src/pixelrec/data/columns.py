"""The columns that a file must have: found by name, whatever their case, spaces and signs, or by place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from pixelrec.choices import Order, TimeUnit
from pixelrec.data.timestamps import PER_SECOND, is_date
from pixelrec.errors import DataError, nearest, option

_SHOWN = 20  # columns that a message lists
# Names of published data sets and of shops' exports, for suggestions; letters and digits only.
_ITEM = """item itemid iid asin parentasin product productid productcode movie movieid article articleid sku
    isbn business businessid track trackid song songid artistid book bookid news newsid video videoid goodsid
    content contentid pid mid"""
_NAMES = {
    "item_column": _ITEM,
    "items_id_column": f"{_ITEM} id",
    "user_column": """user userid uid reviewer reviewerid customer customerid visitor visitorid session
        sessionid account accountid member memberid buyer buyerid client clientid person personid username""",
    "time_column": """time ts date datetime timestamp unixtime unixreviewtime reviewtime reviewtimestamp
        createdat eventtime eventtimestamp timestampms tdat""",
    "rating_column": "rating ratings stars overall score bookrating ratingvalue feedback label",
}

_KNOWN = frozenset(" ".join(_NAMES.values()).split())


@dataclass(frozen=True)
class Columns:
    """Names or places of the columns of interactions, and what is made of times and ratings."""

    item_column: str = "item_id"
    user_column: str = "user_id"
    time_column: str = "timestamp"
    time_unit: TimeUnit | None = None  # of numbers; none: by the size of the first
    order: Order = "time"  # "file": there is no column of times
    rating_column: str = "rating"
    min_rating: float | None = None  # events with less are left out; none: there is no column of ratings
    split_column: str | None = None  # 0 training, 1 validation, 2 test; none: there is no such column

    def __post_init__(self) -> None:
        names = self.roles.values()
        if len(set(names)) < len(names):
            raise DataError(f"item, user and time must be three different columns, not {', '.join(names)}")
        if self.time_unit not in (None, *PER_SECOND):
            raise DataError(
                f"unknown time unit {self.time_unit!r}; {nearest(str(self.time_unit), PER_SECOND)}"
            )

    @property
    def roles(self) -> dict[str, str]:
        """Option → name of the column, of those that are read: item and user, perhaps time and rating."""
        read = ["item_column", "user_column", *(["time_column"] if self.order == "time" else [])]
        read += [] if self.min_rating is None else ["rating_column"]
        read += [] if self.split_column is None else ["split_column"]
        return {name: getattr(self, name) for name in read}

    def is_name(self, field: str) -> bool:
        """Whether a field of a first line is the name of a column, of these or of other data sets."""
        plain = _plain(_untyped(field))
        return plain in _KNOWN or plain in map(_plain, self.roles.values()) and not field.strip().isdecimal()


def find_columns(
    path: Path, present: Iterable[str], wanted: Mapping[str, str], first: Sequence[str] = ()
) -> list[str]:
    """The columns of `wanted` (option → name) as they are written in the file.

    A name matches as it is or, if only one column does, by its letters and digits, as `userId` for `user_id`;
    a number that is no name is the place of a column, from 1.

    Args:
        path: for messages.
        present: names of columns, or their places where no line has names.
        wanted: option → name or place.
        first: the fields of the first row, where no line has names.

    Raises:
        DataError: naming all that are missing, or one that is there twice.
    """
    present = list(present)
    found = {option: written(name, present) for option, name in wanted.items()}
    missing = {option: wanted[option] for option, name in found.items() if name is None}
    if missing:
        raise DataError(f"{path}: {_nameless(first, missing) if first else _absence(present, missing)}")
    names = [name for name in found.values() if name is not None]
    for name in names:
        if present.count(name) > 1:
            raise DataError(f"{path}: the header names column {name!r} twice; rename or remove one")
        if names.count(name) > 1:
            raise DataError(f"{path}: item, user and time must be three different columns, not all {name!r}")
    return names


def written(name: str, present: Sequence[str]) -> str | None:
    """The name of `present` that is `name` or, if only one is, like it; None if there is none."""
    if name in present:
        return name
    alike = {each for each in present if _plain(name) in {_plain(each), _plain(_untyped(each))} - {""}}
    if not alike and name.isdecimal() and 0 < int(name) <= len(present):
        return present[int(name) - 1]
    return alike.pop() if len(alike) == 1 else None


def _untyped(name: str) -> str:
    """Without the type that RecBole adds, as in `item_id:token`."""
    return re.sub(r":(token|float)(_seq)?$", "", name)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _absence(present: Sequence[str], missing: Mapping[str, str]) -> str:
    """What is missing from a header, what is there, and how to go on."""
    names = " and ".join(map(repr, missing.values()))
    shown = ", ".join(repr(name) for name in present[:_SHOWN]) + (", …" if len(present) > _SHOWN else "")
    found = f"no column{'s' if len(missing) > 1 else ''} {names}; the columns are {shown[:500]}"
    guesses = {option: named_as(option, present) for option in missing}
    which = "perhaps" if all(guesses.values()) else "if they are there under other names,"
    return f"{found}; {which} {_options(guesses, 'NAME')}{_without_times(guesses)}"


def _nameless(first: Sequence[str], missing: Mapping[str, str]) -> str:
    """What to do about a file without names of columns, whose first row is given."""
    row = ", ".join(map(repr, first[:_SHOWN]))[:500]
    time = next(
        (str(place + 1) for place, field in enumerate(first) if is_date(field) or _is_time(field)), None
    )
    places = {option: time if option == "time_column" else None for option in missing}
    absent = " and ".join(missing.values())
    return (
        f"no header with {absent}: the first line is {row}; give the places of the columns, from 1: "
        f"{_options(places, 'NUMBER')}{_without_times(places)}"
    )


def _without_times(guesses: Mapping[str, str | None]) -> str:
    """What to do where no column seems to hold the times that are missing."""
    timeless = "time_column" in guesses and guesses["time_column"] is None
    return f"; if there are no times, {option('order', 'file')}" if timeless else ""


def _options(values: Mapping[str, str | None], unknown: str) -> str:
    flags = [f"--{option.replace('_', '-')} {quote(value or unknown)}" for option, value in values.items()]
    words = [f"{option}={value or unknown!r}" for option, value in values.items()]
    return f"{' '.join(flags)} ({', '.join(words)} in Python)"


def named_as(option: str, present: Sequence[str]) -> str | None:
    """A column whose name other data sets use for this; RecBole adds a type, as in `item_id:token`."""
    plain = {_plain(_untyped(name)): name for name in reversed(present)}
    return next((plain[known] for known in _NAMES[option].split() if known in plain), None)


def _is_time(field: str) -> bool:
    return re.fullmatch(r"\d{9,19}(\.\d+)?", field.strip()) is not None
