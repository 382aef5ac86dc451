"""The names of the columns of interactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixelrec.choices import TimeUnit
from pixelrec.data.timestamps import PER_SECOND
from pixelrec.errors import DataError, nearest, option

_SHOWN = 20  # columns that a message lists
_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars"}


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


def check_columns(path: Path, present: Iterable[str], wanted: Mapping[str, str]) -> None:
    """Raises a `DataError` where a column of `wanted` (option → name) is missing or doubled."""
    present = list(present)
    separators = (name for sign, name in _SEPARATORS.items() if len(present) == 1 and sign in present[0])
    found = next(separators, None)
    for word, name in wanted.items():
        if name not in present:
            shown = ", ".join(repr(p) for p in present[:_SHOWN]) + (", …" if len(present) > _SHOWN else "")
            hint = f"if one of them holds it, name it with {option(word, 'NAME')}"
            if found is not None:
                hint = f"they seem to be separated by {found}: expected commas"
            raise DataError(f"{path}: no column {name!r}; the columns are {shown[:500]}; {hint}")
        if present.count(name) > 1:
            raise DataError(f"{path}: the header names column {name!r} twice; rename or remove one")
