"""The types that ids had in the files of a data set, for tables that are given back: inside, ids are text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, final

import polars as pl

_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_KNOWN: Mapping[str, pl.DataType] = {str(kind()): kind() for kind in _INTEGERS}


@final
@dataclass(frozen=True)
class IdTypes:
    """Integers, or text."""

    user: pl.DataType = pl.String()  # noqa: RUF009
    item: pl.DataType = pl.String()  # noqa: RUF009

    @classmethod
    def of(cls, described: Mapping[str, object]) -> Self:
        """As a manifest or the description of a run has them under `id_types`; others are text."""
        names = described.get("id_types")
        types = names if isinstance(names, dict) else {}
        return cls(*(_KNOWN.get(str(types.get(key)), pl.String()) for key in ("user", "item")))

    @property
    def names(self) -> dict[str, str]:
        """The same for a description."""
        return {"user": str(self.user), "item": str(self.item)}

    def restored(self, table: pl.DataFrame) -> pl.DataFrame:
        """`table` with its columns `user_id` and `item_id` as they came; text, where one is no number."""
        kinds = {"user_id": self.user, "item_id": self.item}
        return table.with_columns(
            _restored(table[name], kind) for name, kind in kinds.items() if name in table.columns
        )

    def restored_items(self, ids: list[str]) -> list[str | int]:
        """Ids of items as they came."""
        if self.item == pl.String:
            return list(ids)
        return _restored(pl.Series(ids, dtype=pl.String), self.item).to_list()


def _restored(ids: pl.Series, kind: pl.DataType) -> pl.Series:
    if kind == pl.String or ids.dtype != pl.String:
        return ids
    numbers = ids.cast(kind, strict=False)
    return ids if numbers.null_count() > ids.null_count() else numbers
