"""Look at every cover and say what is wrong with it, what the covers are like, and which look alike.

Nothing is written. Covers are read and decoded as `pack` does, so what is refused here is refused there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

from pixelrec.console.progress import progress_line
from pixelrec.errors import ImageError
from pixelrec.images.covers import Covers, read_cover
from pixelrec.images.decode import Refused, decode, ready
from pixelrec.images.pool import in_threads, thread_count
from pixelrec.images.unusable import Unusable, reasons

if TYPE_CHECKING:
    import numpy as np

PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
_SIDE = 32  # covers are decoded to this: what the hash of near duplicates needs


@final
@dataclass(frozen=True)
class CheckReport:
    """What a check found. Every item is sound or unusable."""

    covers: Path
    checked: int
    unusable: tuple[Unusable, ...]
    notes: tuple[str, ...]  # of two files for one item: which one counts
    extras: tuple[str, ...]  # files no item asks for
    measures: dict[str, tuple[float, ...]]  # of the sound: what → its PERCENTILES
    formats: dict[str, int]
    modes: dict[str, int]  # Pillow's words: RGB, L (grey), P (palette), CMYK, …
    duplicates: tuple[tuple[str, ...], ...] | None  # groups of items that look alike; None: not looked for
    seconds: float

    @property
    def sound(self) -> int:
        """How many items have a usable cover."""
        return self.checked - len(self.unusable)

    @property
    def reasons(self) -> dict[str, int]:
        """How many items are unusable for each reason, most frequent first."""
        return reasons(self.unusable)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            "covers": str(self.covers),
            "checked": self.checked,
            "sound": self.sound,
            "unusable": [u._asdict() for u in self.unusable],
            "reasons": self.reasons,
            "notes": list(self.notes),
            "extras": list(self.extras),
            "percentiles": list(PERCENTILES),
            "measures": {what: list(values) for what, values in self.measures.items()},
            "formats": self.formats,
            "modes": self.modes,
            "duplicates": None if self.duplicates is None else [list(group) for group in self.duplicates],
            "seconds": round(self.seconds, 3),
        }


class _Seen(NamedTuple):
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
) -> CheckReport:
    """Check the covers of `item_ids`, or every cover in the folder.

    Raises `ImageError` if the folder cannot be listed or there is nothing to check; never for a bad cover.
    """
    started = time.perf_counter()
    found = Covers.listed(covers)
    asked = sorted(found.names) if item_ids is None else list(dict.fromkeys(item_ids))
    if not asked:
        raise ImageError(f"no covers to check in {covers}: expected files such as <item_id>.jpg")
    seen, broken = _all_seen(found, asked, thread_count(threads))
    return CheckReport(
        covers=covers,
        checked=len(asked),
        unusable=(*found.missing(asked), *broken),
        notes=found.notes,
        extras=tuple(found.extras(asked)),
        measures=_measures(seen),
        formats=_counts(cover.format for cover in seen),
        modes=_counts(cover.mode for cover in seen),
        duplicates=_alike(seen) if duplicates else None,
        seconds=time.perf_counter() - started,
    )


def _all_seen(found: Covers, asked: Iterable[str], threads: int) -> tuple[list[_Seen], list[Unusable]]:
    present = [item_id for item_id in asked if item_id in found.names]
    results: list[_Seen | Unusable] = []
    line = progress_line("checking covers", len(present))
    with ready(), line as advance:
        for result in in_threads(partial(_look, found), present, threads=threads):
            results.append(result)
            advance()
    broken = [r for r in results if isinstance(r, Unusable)]
    return [r for r in results if isinstance(r, _Seen)], broken


def _look(found: Covers, item_id: str) -> _Seen | Unusable:
    from pixelrec.images.near_duplicates import field_colours, perceptual_hash

    try:
        data, stamp = read_cover(found.folder / found.names[item_id])
        picture = decode(data, size=_SIDE, fit="stretch")
    except Refused as refused:
        return Unusable(item_id, refused.reason, refused.detail)
    look, colours = perceptual_hash(picture.pixels), field_colours(picture.pixels)
    return _Seen(
        item_id, picture.width, picture.height, stamp.bytes, picture.format, picture.mode, look, colours
    )


def _measures(seen: Sequence[_Seen]) -> dict[str, tuple[float, ...]]:
    import numpy as np

    if not seen:
        return {}
    width, height, size = (np.array(column, float) for column in list(zip(*seen, strict=True))[1:4])
    columns = {"width": width, "height": height, "width / height": width / height, "bytes": size}
    return {what: tuple(np.percentile(values, PERCENTILES).tolist()) for what, values in columns.items()}


def _alike(seen: Sequence[_Seen]) -> tuple[tuple[str, ...], ...]:
    import numpy as np

    from pixelrec.images.near_duplicates import near_duplicates

    if not seen:
        return ()
    hashes = np.array([cover.hash for cover in seen], np.uint64)
    colours = np.stack([cover.colours for cover in seen])
    return tuple(tuple(seen[i].item_id for i in group) for group in near_duplicates(hashes, colours))


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
