"""Ids, and the dense numbers that stand for them."""

from __future__ import annotations

from typing import final

import polars as pl


@final
class Vocabulary:
    """Ids in order of first appearance; the r-th has number r."""

    def __init__(self) -> None:
        self.ids = pl.Series("id", [], dtype=pl.String)

    def encode(self, ids: pl.Series) -> pl.Series:
        """The Int32 number of each id; ids not seen before are appended."""
        numbers = numbers_of(self.ids, ids)
        if numbers.null_count() == 0:
            return numbers
        unseen = ids.filter(numbers.is_null())
        known = len(self.ids)
        new = unseen.unique(maintain_order=True)
        self.ids.append(new.rename("id"))
        return numbers.scatter(numbers.is_null().arg_true(), numbers_of(new, unseen) + known)


def numbers_of(known: pl.Series, ids: pl.Series) -> pl.Series:
    """Int32: the position of each of `ids` in `known`, from 1; null if absent."""
    table = pl.DataFrame({"id": known, "number": pl.int_range(1, len(known) + 1, dtype=pl.Int32, eager=True)})
    return ids.to_frame("id").join(table, on="id", how="left", maintain_order="left")["number"]
