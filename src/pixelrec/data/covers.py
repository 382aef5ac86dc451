"""The covers of a data set: packed into its picture store; items without one may leave with their events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import polars as pl

from pixelrec.choices import Fit, Missing
from pixelrec.data.columns import written
from pixelrec.data.dataset import Dataset
from pixelrec.data.dropping import drop_items
from pixelrec.errors import DataError
from pixelrec.images.pack import PackReport, pack


@final
@dataclass(frozen=True)
class PackedCovers:
    """The outcome of packing the covers of a data set's items."""

    dataset: Dataset  # without the items that were dropped
    report: PackReport
    dropped_events: int  # of those items
    events: int  # before


def pack_covers(
    dataset: Dataset,
    covers: Path,
    *,
    size: int | None,
    fit: Fit | None,
    missing: Missing,
    threads: int | None = None,
    overwrite: bool = False,
    draft_of: Path | None = None,
    column: str | None = None,
) -> PackedCovers:
    """Packs the covers of all items, and drops the items that `missing` says to drop; arguments as of `pack`.

    Args:
        draft_of: the place of the data set, where `dataset` is still a draft of it.
        column: of the items' information that names the file of each cover, where ids do not tell.

    Raises:
        ImageError: as of `pack`.
        DataError: without the items to be dropped, no user is left to evaluate.
    """
    report = pack(
        covers,
        dataset.covers,
        list(dataset.item_ids),
        size=size,
        fit=fit,
        missing=missing,
        threads=threads,
        overwrite=overwrite,
        draft_of=None if draft_of is None else draft_of / dataset.covers.name,
        named=None if column is None else cover_files(dataset.information, column),
    )
    kept = dataset
    if report.missing == "drop-item" and report.unusable:
        kept = drop_items(dataset, [u.item_id for u in report.unusable])
    return PackedCovers(kept, report, dataset.interactions - kept.interactions, dataset.interactions)


def cover_files(items: pl.DataFrame, column: str) -> dict[str, list[str]]:
    """Item id → the names of its pictures in `column`: texts, or lists of them.

    Raises:
        DataError: there is no such column, or it holds something else.
    """
    found = written(column, items.columns)
    if found is None:
        known = ", ".join(map(repr, items.columns[:20]))
        raise DataError(f"the items have no column {column!r} of names of covers; the columns are {known}")
    kind = items[found].dtype
    if kind not in (pl.String, pl.List(pl.String)):
        raise DataError(f"column {found!r} of the items holds {kind}, expected names of picture files")
    named = {}
    for item, names in zip(items["item_id"], items[found].to_list(), strict=True):
        some = [names] if isinstance(names, str) else names or []
        named[item] = [name for name in some if name]
    return named
