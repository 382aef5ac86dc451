"""Items without a usable cover: their list, the file with it, and the error that names the file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pixelrec.errors import ImageError
from pixelrec.files.atomic import new_file
from pixelrec.images.decode import Reason

_NAMED = 3  # items that a message names


class Unusable(NamedTuple):
    """An item without a usable cover."""

    item_id: str
    reason: Reason
    detail: str


def frequencies(values: Iterable[str]) -> dict[str, int]:
    """The number of occurrences of each value, the most frequent first."""
    return dict(Counter(values).most_common())


def list_path(store: Path) -> Path:
    """The file with the list of unusable items of a store, beside it."""
    return store.with_name(store.name + ".unusable.csv")


def write_unusable(unusable: Sequence[Unusable], path: Path) -> None:
    """Writes the list; an empty one removes the file."""
    if not unusable:
        path.unlink(missing_ok=True)
        return
    with (
        new_file(path, ImageError) as draft,
        draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        csv.writer(file).writerows([Unusable._fields, *unusable])


def refusal(unusable: Sequence[Unusable], items: int, listed: Path, kept: str) -> ImageError:
    """The error for unusable covers, in one line; if there are many, `listed` is written."""
    many = len(unusable) > _NAMED
    write_unusable(unusable if many else (), listed)
    counts = ", ".join(
        f"{count:,} {reason}" for reason, count in frequencies(u.reason for u in unusable).items()
    )
    named = ", ".join(f"{u.item_id} ({u.detail})" for u in unusable[:_NAMED])
    more = f", …; all are listed in {listed}" if many else ""
    return ImageError(
        f"{len(unusable):,} of {items:,} items {'have' if len(unusable) > 1 else 'has'} no usable cover "
        f"[{counts}]: {named}{more}; {kept}; mend the covers, or use --missing grey or --missing drop-item"
    )
