"""The columns that a file must have: found by name, whatever their case, spaces and signs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelrec.choices import TimeUnit
from pixelrec.data.timestamps import PER_SECOND
from pixelrec.errors import DataError, nearest

_SHOWN = 20  # columns that a message lists
_SEPARATORS = {
    "\t": "tabs",
    ";": "semicolons",
    "|": "bars",
    "::": "'::'",
    "\x01": "control characters",
    " ": "spaces",
}
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
}


@dataclass(frozen=True)
class Columns:
    """Names of the three columns, and the unit of numbers in the column of times."""

    item_column: str = "item_id"
    user_column: str = "user_id"
    time_column: str = "timestamp"
    time_unit: TimeUnit = "s"

    def __post_init__(self) -> None:
        names = self.roles.values()
        if len(set(names)) < len(names):
            raise DataError(f"item, user and time must be three different columns, not {', '.join(names)}")
        if self.time_unit not in PER_SECOND:
            raise DataError(f"unknown time unit {self.time_unit!r}; {nearest(self.time_unit, PER_SECOND)}")

    @property
    def roles(self) -> dict[str, str]:
        """Option → name of the column: item, user, time."""
        return {name: getattr(self, name) for name in ("item_column", "user_column", "time_column")}


def find_columns(path: Path, present: Iterable[str], wanted: Mapping[str, str]) -> list[str]:
    """The columns of `wanted` (option → name) as they are written in the file.

    A name matches as it is or, if only one column does, by its letters and digits, as `userId` for `user_id`.

    Raises:
        DataError: naming all that are missing, or one that is there twice.
    """
    present = list(present)
    found = {option: written(name, present) for option, name in wanted.items()}
    missing = {option: wanted[option] for option, name in found.items() if name is None}
    if missing:
        raise DataError(f"{path}: {_absence(present, missing)}")
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
    alike = {each for each in present if _plain(each) == _plain(name)} if _plain(name) else set()
    return alike.pop() if len(alike) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _absence(present: Sequence[str], missing: Mapping[str, str]) -> str:
    """What is missing from a header, what is there, and how to go on."""
    names = " and ".join(map(repr, missing.values()))
    shown = ", ".join(repr(name) for name in present[:_SHOWN]) + (", …" if len(present) > _SHOWN else "")
    found = f"no column{'s' if len(missing) > 1 else ''} {names}; the columns are {shown[:500]}"
    if len(present) == 1 and (separator := separator_of(present[0])):
        return f"{found}; they seem to be separated by {separator}: expected commas"
    if any(_is_number(name) for name in present):
        row = shown[:500]
        return f"no header: the first line is {row}; expected the names of the columns there, with {names}"
    guesses = {option: _guess(option, present) for option in missing}
    flags = [f"--{option.replace('_', '-')} {guess or 'NAME'}" for option, guess in guesses.items()]
    words = [f"{option}={guess or 'NAME'!r}" for option, guess in guesses.items()]
    which = "perhaps" if all(guesses.values()) else "if they are there under other names,"
    return f"{found}; {which} {' '.join(flags)} ({', '.join(words)} in Python)"


def _guess(option: str, present: Sequence[str]) -> str | None:
    """A column whose name other data sets use for this; RecBole adds a type, as in `item_id:token`."""
    plain = {_plain(name.partition(":")[0]): name for name in reversed(present)}
    return next((plain[known] for known in _NAMES[option].split() if known in plain), None)


def separator_of(line: str) -> str | None:
    """The name of what separates the columns of a line without commas."""
    return next((name for sign, name in _SEPARATORS.items() if sign in line.strip()), None)


def _is_number(name: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", name.strip()) is not None
