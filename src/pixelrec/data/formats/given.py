"""A folder of another program as the options of `prepare` that read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, final

import polars as pl

from pixelrec.choices import Order, SplitRule
from pixelrec.data.columns import Columns
from pixelrec.data.file_kinds import Kind
from pixelrec.data.formats.listing import Listing
from pixelrec.data.interactions import Interactions
from pixelrec.data.parts import Part
from pixelrec.errors import DataError, some_of
from pixelrec.features.given import GivenVectors, open_vectors, with_ids

Noun: TypeAlias = Literal["user", "item"]


class IdTable(NamedTuple):
    """The ids behind numbers, in a file: the r-th is that of "r"."""

    path: Path
    ids: pl.Series


@final
@dataclass(frozen=True)
class GivenFolder:
    """What was recognised in a folder."""

    format: str
    listing: Listing
    tables: Mapping[Path, Mapping[str, str]]  # files of events → columns that they have one value of
    columns: Mapping[str, str]  # option → name or place of a column: item_column, user_column, …
    kind: Kind | None = None  # of those files; none: by their names
    split_column: str | None = None
    items: Path | None = None
    items_id_column: str | None = None
    items_columns: Mapping[str, str] | None = None  # those that are taken → their new names; none: all
    has_entities: bool = False  # texts of items are of HTML, such as "Bath &amp; Body"
    pictures: Path | None = None  # covers, where they are not beside the tables
    features: Mapping[str, Path] = field(default_factory=dict)  # name → array; row r is of item "r"
    ids: Mapping[Noun, IdTable] = field(default_factory=dict)  # behind numbers
    order: Order = "time"  # of the events of a user
    notes: tuple[str, ...] = ()  # what is there and not read, besides other files

    @property
    def folder(self) -> Path:
        return self.listing.folder

    @property
    def covers(self) -> Path | None:
        return self.pictures or self.listing.covers()

    @property
    def parts(self) -> list[Part]:
        return [Part.of(path, self._name(path), values, self.kind) for path, values in self.tables.items()]

    def instead_of(self, options: Mapping[str, str]) -> dict[str, str]:
        """The columns, where an option has its default."""
        defaults = asdict(Columns())
        return {
            name: self.columns.get(name, value) if value == defaults[name] else value
            for name, value in options.items()
        }

    def named(self, read: Interactions) -> Interactions:
        """With the ids behind numbers that the files have instead."""
        return replace(
            read,
            user_ids=self._named("user", read.user_ids),
            item_ids=self._named("item", read.item_ids),
        )

    def vectors(self) -> dict[str, GivenVectors]:
        """Name → the features of all items that the folder has any of."""
        found = {}
        for name, path in self.features.items():
            given = open_vectors(path)
            numbers = pl.Series(range(given.shape[0])).cast(pl.String)
            if "item" in self.ids and len(self.ids["item"].ids) != given.shape[0]:
                ids = self.ids["item"]
                raise DataError(f"{path}: has {given.shape[0]:,} rows, and {ids.path} {len(ids.ids):,} ids")
            found[name] = with_ids(given, self._named("item", numbers).rename("item_id"), str(path))
        return found

    def told(self, split: SplitRule) -> str:
        """One line: the files that are read, by what they are taken for."""
        read = [f"events of {', '.join(map(self._name, self.tables))}"]
        read += [f"items of {self._name(self.items)}"] if self.items else []
        read += (
            [f"ids of {' and '.join(self._name(each.path) for each in self.ids.values())}"]
            if self.ids
            else []
        )
        read += [f"covers of {self._name(self.covers)}"] if self.covers else []
        read += [f"features {' and '.join(self.features)}"] if self.features else []
        read += [f"split {split}"] if self.split_column else []
        others = self.listing.unread([*self.tables, self.items, self.covers, *self._arrays()])
        unread = [f"not read: {some_of(others)}"] if others else []
        return "; ".join([f"{self.folder}: read as {self.format}, {', '.join(read)}", *self.notes, *unread])

    def _arrays(self) -> list[Path]:
        return [*self.features.values(), *(each.path for each in self.ids.values())]

    def _named(self, noun: Noun, numbers: pl.Series) -> pl.Series:
        if noun not in self.ids:
            return numbers
        known = self.ids[noun].ids
        places = numbers.cast(pl.Int64, strict=False)
        if odd := numbers.filter(~places.is_between(0, len(known) - 1).fill_null(False)).to_list():
            raise DataError(
                f"{self.ids[noun].path}: has no id of {noun} {odd[0]!r}, which has events; add it"
            )
        return known.gather(places).rename(numbers.name)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)
