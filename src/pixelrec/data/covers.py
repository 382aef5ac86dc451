"""The covers of a data set: packed into its picture store; items that go without take their events along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from pixelrec.choices import Fit, Missing
from pixelrec.data.dataset import COVERS, Dataset
from pixelrec.data.prepare import drop_items
from pixelrec.images.pack import PackReport, demand_packable, pack
from pixelrec.images.summary import print_pack

Packing: TypeAlias = Callable[[Path, Sequence[str]], PackReport]
"""`pack` of a folder of covers, to be told the store and the item ids."""


def pack_covers(dataset: Dataset, packing: Packing, console: Console) -> tuple[Dataset, PackReport]:
    """Packs, says so, and drops the items that are to go.

    Raises:
        ImageError: as `pack`.
        DataError: without the items that are to go, nobody is left to evaluate.
    """
    report = packing(dataset.covers, list(dataset.item_ids))
    print_pack(report, console)
    if report.missing != "drop-item" or not report.unusable:
        return dataset, report
    kept = drop_items(dataset, [u.item_id for u in report.unusable])
    gone = dataset.interactions - kept.interactions
    console.print(f"with the items go {gone:,} of {dataset.interactions:,} events", highlight=False)
    return kept, report


def packing_of_draft(
    covers: Path, out: Path, *, size: int, fit: Fit, missing: Missing, console: Console
) -> Callable[[Dataset], object]:
    """What packs covers into a data set that is not at its place `out` yet.

    Raises:
        ImageError: at once, where no item need be known to refuse.
    """
    store = out / COVERS
    demand_packable(covers, store, size=size, fit=fit, missing=missing)
    shown = not console.quiet
    packing = partial(pack, covers, size=size, fit=fit, missing=missing, progress=shown, draft_of=store)
    return lambda draft: pack_covers(draft, packing, console)
