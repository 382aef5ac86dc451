"""The covers of a data set: packed into its picture store; items without one may leave with their events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from pixelrec.choices import Fit, Missing
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import drop_items
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
) -> PackedCovers:
    """Packs the covers of all items, and drops the items that `missing` says to drop; arguments as of `pack`.

    Args:
        draft_of: the place of the data set, where `dataset` is still a draft of it.

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
    )
    kept = dataset
    if report.missing == "drop-item" and report.unusable:
        kept = drop_items(dataset, [u.item_id for u in report.unusable])
    return PackedCovers(kept, report, dataset.interactions - kept.interactions, dataset.interactions)
