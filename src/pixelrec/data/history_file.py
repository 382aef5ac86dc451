"""Interactions from lines of histories: a user, a tab, and items between spaces, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pixelrec.data.parts import Part
from pixelrec.data.text_table import opened_lines
from pixelrec.errors import DataError


def read_history_blocks(part: Part) -> Iterator[pl.DataFrame]:
    """Frames with `item` and `user` (String), a row for each event.

    Raises:
        DataError: naming the first line without a user, a tab and items.
    """
    with opened_lines(part.path) as blocks:
        for block in blocks:
            lines = pl.Series(block.body.decode("utf-8", "replace").split("\n"), dtype=pl.String)
            found = lines.str.extract_groups(
                r"^(?<user>[^\t\r]+)\t(?<item>[^\t\r]*[^\t\r ])\s*$"
            ).struct.unnest()
            odd = found["user"].is_null() & (lines.str.strip_chars() != "")
            if odd.any():
                place = odd.arg_true()[0]
                raise DataError(
                    f"{part.path}, line {block.line + place}: {lines[place][:60]!r}; expected a user, a tab, "
                    "and items between spaces"
                )
            items = pl.col("item").str.extract_all(r"[^ ]+")
            yield found.drop_nulls().select(items, "user").explode("item")
