"""Titles of items of a run."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pixelrec.serving.served_run import ServedRun


def titles_of(run: ServedRun, ids: Sequence[str]) -> dict[str, str | None]:
    """By id: None where there is none, nothing where the run does not know the item."""
    items = run.service.items
    known = items.filter(items["item_id"].is_in(pl.Series(ids, dtype=pl.String).implode()))
    titles = known["title"] if "title" in known.columns else [None] * len(known)
    return dict(zip(known["item_id"], titles, strict=True))
