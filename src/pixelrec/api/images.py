"""Verbs over the pictures of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Days, Place, Threads, as_dataset, as_input, checked
from pixelrec.choices import (
    Fit,
    Missing,
)
from pixelrec.console.progress import shown_on
from pixelrec.errors import ImageError, RequestError, option

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.covers import PackedCovers
    from pixelrec.data.dataset import Dataset
    from pixelrec.images.doctor import CheckReport
    from pixelrec.items.cache.entries import Entry


def as_covers(covers: Place) -> Path:
    return as_input(covers, "covers", ImageError, "give the folder of the covers, <item_id>.jpg")


@checked
def pack_images(
    covers: Place,
    *,
    data: Dataset | Place,
    cover_column: str | None = None,
    size: int | None = None,
    fit: Fit | None = None,
    missing: Missing = "error",
    threads: Threads | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> PackedCovers:
    """Pack the covers of a data set's items for training.

    Run again after an interruption, it continues.

    Args:
        covers: folder of pictures <item_id>.jpg or <item_id>/0.jpg (or .png, …), also in subfolders; Parquet
            with pictures; or an LMDB of the published benchmark code.
        data: data set folder.
        cover_column: column of the items that names the picture file of each, where ids do not tell.
        size: width and height of a packed picture, in pixels; by default as packed before, at first 224.
        fit: stretch pictures to a square, crop the centre square, or pad to a square; by default as packed
            before, at first stretch.
        missing: items without a usable cover: stop with an error, use a grey picture, or drop the items with
            their events, for good.
        threads: number of decoding threads; one per core by default.
        overwrite: replace the pictures that are packed already, as for another size or fit.
        console: for a progress bar; without one, nothing is drawn.

    Returns:
        The data set, without the items that were dropped, and a report.
    """
    pictures = as_covers(covers)
    from pixelrec.data.covers import pack_covers

    with shown_on(console):
        return pack_covers(
            as_dataset(data),
            pictures,
            size=size,
            fit=fit,
            missing=missing,
            threads=threads,
            overwrite=overwrite,
            column=cover_column,
        )


@checked
def check_images(
    covers: Place,
    *,
    data: Dataset | Place | None = None,
    cover_column: str | None = None,
    duplicates: bool = True,
    threads: Threads | None = None,
    console: Console | None = None,
) -> CheckReport:
    """Check covers: unusable files, sizes, near-duplicates.

    Nothing is written.

    Args:
        covers: folder of pictures, or Parquet or LMDB with pictures.
        data: data set whose items need covers; by default every picture of the folder is checked.
        cover_column: column of the items that names the picture file of each, where ids do not tell.
        duplicates: look for covers that look alike.
        threads: number of decoding threads; one per core by default.
        console: for a progress bar; without one, nothing is drawn.
    """
    folder = as_covers(covers)
    if cover_column is not None and data is None:
        raise RequestError(
            f"{option('cover_column', cover_column)} is of the items of a data set: give --data"
        )
    from pixelrec.images.doctor import check

    item_ids = named = None
    if data is not None:
        from pixelrec.data.covers import cover_files

        dataset = as_dataset(data)
        item_ids = list(dataset.item_ids)
        named = None if cover_column is None else cover_files(dataset.information, cover_column)
    with shown_on(console):
        return check(folder, item_ids, threads=threads, duplicates=duplicates, named=named)


@checked
def cache(data: Dataset | Place, *, clear: bool = False, unused_days: Days = 0) -> list[Entry]:
    """List or delete the cached activations of a data set.

    Activations are the outputs of frozen picture networks: training computes them once, in the data set, and
    computes them again where they were deleted. They can take much of a disk.

    Args:
        data: data set folder.
        clear: delete all entries that no process uses.
        unused_days: with --clear, keep entries that were used within this number of days.

    Returns:
        The entries, the least recently used first; with `clear`, those that were deleted.
    """
    if unused_days and not clear:
        raise RequestError(f"{option('unused_days', unused_days)} is of use with {option('clear')} only")
    from datetime import datetime, timedelta

    from pixelrec.items.cache.entries import delete_activations, list_activations

    folder = as_dataset(data).folder / "activations"
    if not clear:
        return list_activations(folder)
    now = datetime.now().astimezone()
    since = now - timedelta(days=min(unused_days, 365 * 50)) if unused_days else None
    return delete_activations(folder, unused_since=since)
