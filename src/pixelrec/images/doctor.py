"""Checking covers: unusable ones, sizes and formats, near-duplicates.

Nothing is written. Covers are read and decoded as by `pack`, so both refuse the same covers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from pixelrec.console.progress import progress_line
from pixelrec.images.covers import AbstractCovers, Unusable, frequencies
from pixelrec.images.decode import Refused, ready
from pixelrec.images.folder import FileNames
from pixelrec.images.near_duplicates import field_colours, near_duplicates, perceptual_hash
from pixelrec.images.pool import in_threads, thread_count
from pixelrec.images.sources import demand_source, opened_covers

PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
_SIDE = 32  # of the decoded covers, as the hash of near-duplicates needs them


@final
@dataclass(frozen=True)
class CheckReport:
    """The findings of a check. Every item is sound or unusable."""

    covers: Path
    checked: int
    unusable: tuple[Unusable, ...]
    notes: tuple[str, ...]  # for items with two files: which one is used
    extras: tuple[str, ...]  # files of no item
    measures: dict[str, tuple[float, ...]]  # of sound covers: name → its PERCENTILES
    formats: dict[str, int]
    modes: dict[str, int]  # of Pillow: RGB, L (grey), P (palette), CMYK, …
    duplicates: tuple[tuple[str, ...], ...] | None  # groups of items that look alike; None: not searched
    seconds: float

    @property
    def sound(self) -> int:
        """The number of items with a usable cover."""
        return self.checked - len(self.unusable)

    @property
    def reasons(self) -> dict[str, int]:
        """The number of unusable items for each reason, most frequent first."""
        return frequencies(u.reason for u in self.unusable)

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return vars(self) | {
            "covers": str(self.covers),
            "unusable": [u._asdict() for u in self.unusable],
            "seconds": round(self.seconds, 3),
            "sound": self.sound,
            "reasons": self.reasons,
            "percentiles": PERCENTILES,
        }


class _Sound(NamedTuple):
    """One sound cover."""

    item_id: str
    width: int
    height: int
    bytes: int
    format: str
    mode: str
    hash: int
    colours: np.ndarray  # of its fields


def check(
    covers: Path,
    item_ids: Sequence[str] | None = None,
    *,
    threads: int | None = None,
    duplicates: bool = True,
    named: FileNames | None = None,
) -> CheckReport:
    """Checks the covers of `item_ids`, whose files may be `named`, or every cover in the folder.

    Raises:
        ImageError: the folder cannot be listed, or there is nothing to check; never for a bad cover.
    """
    started = time.perf_counter()
    demand_source(covers)
    wanted = None if item_ids is None else list(dict.fromkeys(item_ids))
    with opened_covers(covers, wanted, named) as found:
        items = sorted(found.items) if wanted is None else wanted
        sound, broken = _examine_all(found, items, thread_count(threads))
    return CheckReport(
        covers=covers,
        checked=len(items),
        unusable=(*found.missing(items), *broken),
        notes=found.notes,
        extras=found.others,
        measures=_measures(sound),
        formats=frequencies(cover.format for cover in sound),
        modes=frequencies(cover.mode for cover in sound),
        duplicates=_alike(sound) if duplicates else None,
        seconds=time.perf_counter() - started,
    )


def _examine_all(
    found: AbstractCovers, items: Iterable[str], threads: int
) -> tuple[list[_Sound], list[Unusable]]:
    present = found.in_order(items)
    results: list[_Sound | Unusable] = []
    with ready(), progress_line("checking covers", len(present)) as advance:
        for result in in_threads(partial(_examine, found), present, threads=threads):
            results.append(result)
            advance()
    broken = [r for r in results if isinstance(r, Unusable)]
    return [r for r in results if isinstance(r, _Sound)], broken


def _examine(found: AbstractCovers, item_id: str) -> _Sound | Unusable:
    try:
        data, stamp = found.read(item_id)
        picture = found.decode(item_id, data, size=_SIDE, fit="stretch")
    except Refused as refused:
        return Unusable(item_id, refused.reason, refused.detail)
    look = perceptual_hash(picture.pixels), field_colours(picture.pixels)
    return _Sound(item_id, picture.width, picture.height, stamp.bytes, picture.format, picture.mode, *look)


def _measures(sound: Sequence[_Sound]) -> dict[str, tuple[float, ...]]:
    if not sound:
        return {}
    width, height, size = (np.array(column, float) for column in list(zip(*sound, strict=True))[1:4])
    columns = {"width": width, "height": height, "width / height": width / height, "bytes": size}
    return {name: tuple(np.percentile(values, PERCENTILES).tolist()) for name, values in columns.items()}


def _alike(sound: Sequence[_Sound]) -> tuple[tuple[str, ...], ...]:
    if not sound:
        return ()
    hashes = np.array([cover.hash for cover in sound], np.uint64)
    colours = np.stack([cover.colours for cover in sound])
    return tuple(tuple(sound[i].item_id for i in group) for group in near_duplicates(hashes, colours))
