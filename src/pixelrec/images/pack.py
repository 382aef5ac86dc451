"""Packing a folder of covers into a picture store, by threads, resumable at any point.

As `make` does, packing brings the store up to date: a cover is decoded again if its size or modification time
differs from when it was packed. Pictures of other items stay.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, final, get_args

from pixelrec.choices import Fit, Missing
from pixelrec.console.progress import progress_line
from pixelrec.errors import ImageError, nearest, option, some_of
from pixelrec.files.atomic import in_place, new_folder
from pixelrec.images.covers import (
    AbstractCovers,
    Stamp,
    Unusable,
    frequencies,
    list_path,
    refusal,
    write_unusable,
)
from pixelrec.images.decode import Decoded, Refused, decoder_versions, ready
from pixelrec.images.environment import DATA, is_foreign
from pixelrec.images.folder import FileNames, held
from pixelrec.images.manifest import Manifest
from pixelrec.images.pool import in_threads, thread_count
from pixelrec.images.records import key_of
from pixelrec.images.sources import demand_source, opened_covers
from pixelrec.images.square import grey_square
from pixelrec.images.store import form_of, is_open
from pixelrec.images.writer import StoreWriter, check_place, foreign

LARGEST_SIZE = 4096
_DEFAULT: tuple[int, Fit] = (224, "stretch")


class _Made(NamedTuple):
    """One cover, ready for the store."""

    item_id: str
    picture: Decoded
    stamp: Stamp
    digest: bytes  # of the cover's bytes


@final
@dataclass(frozen=True)
class PackReport:
    """The outcome of packing. Every item is packed, resumed or unusable."""

    store: Path
    packed: int  # decoded and stored
    resumed: int  # in the store before
    unusable: tuple[Unusable, ...]  # grey in the store, or to be dropped by the caller
    missing: Missing  # the treatment of unusable items
    size: int  # of a picture, pixels along a side
    fit: Fit
    notes: tuple[str, ...]
    bytes: int  # of the store on the disk
    seconds: float

    @property
    def reasons(self) -> dict[str, int]:
        """The number of unusable items for each reason, most frequent first."""
        return frequencies(u.reason for u in self.unusable)


def pack(
    covers: Path,
    out: Path,
    item_ids: Sequence[str],
    *,
    size: int | None = None,
    fit: Fit | None = None,
    missing: Missing = "error",
    threads: int | None = None,
    overwrite: bool = False,
    draft_of: Path | None = None,
    named: FileNames | None = None,
) -> PackReport:
    """Packs the covers of `item_ids` into a store of uint8[size, size, 3] pictures at `out`.

    After an interruption, the same call continues.

    Args:
        size: of pictures; none: that of the store at the final place, or 224. Likewise `fit`, or stretch.
        missing: items without a usable cover: "error" refuses, "grey" stores a mid-grey picture and lists the
            item in the store's manifest, "drop-item" leaves it out and reports it.
        overwrite: replace a store at `out` once the new one is complete.
        draft_of: the final place of the store, if `out` lies in a draft of the folder of that.
        named: the files of each item in a folder of covers, where their names do not tell.

    Raises:
        ImageError: bad options; or, once all covers were examined, unusable ones. If there are many, a CSV
            file lists them all: beside the store, or beside the final folder of a draft, which is not kept.
    """
    started = time.perf_counter()
    items = _distinct(item_ids)
    size, fit = _form(draft_of or out, size, fit, missing)
    refused = list_path(out if draft_of is None else draft_of.parent)
    wanted = Manifest(size, fit, len(items), False, covers.name, decoders=decoder_versions())
    with (
        opened_covers(covers, items, named) as found,
        _place(out, overwrite) as place,
        _opened(place, wanted, spare=place != out.resolve()) as writer,
    ):
        absent = _absent(found, items)
        tasks = _outstanding(found, items, writer)
        broken = _pack_all(writer, found, tasks, thread_count(threads))
        unusable = [*absent, *broken]
        if unusable and missing == "error":
            kept = "the others are packed and kept" if draft_of is None else "nothing is kept"
            raise refusal(unusable, len(items), refused, kept)
        _settle(writer, unusable, items, missing)
    if unusable or missing != "drop-item":  # items that were dropped before remain listed
        write_unusable(unusable, list_path(out))
    if draft_of is not None:
        write_unusable((), refused)
    packed = len(tasks) - len(broken)
    return PackReport(
        draft_of or out,
        packed,
        len(items) - len(unusable) - packed,
        tuple(unusable),
        missing,
        size,
        fit,
        found.notes,
        bytes=(out / DATA).stat().st_size,
        seconds=time.perf_counter() - started,
    )


def demand_packable(covers: Path, out: Path, *, size: int | None, fit: Fit | None, missing: Missing) -> None:
    """Raises the `ImageError` of `pack` on options, store or folder before the items are known."""
    _demand_closed(out)
    _form(out, size, fit, missing)
    demand_source(covers)


def _distinct(item_ids: Sequence[str]) -> list[str]:
    items = list(dict.fromkeys(item_ids))
    if not items:
        raise ImageError("no items to pack: expected at least one item id")
    if wrong := [i for i in items if not isinstance(i, str) or not i]:
        raise ImageError(f"{len(wrong):,} item ids are not names, such as {wrong[0]!r}: expected text")
    return items


def _form(out: Path, size: int | None, fit: Fit | None, missing: str) -> tuple[int, Fit]:
    """Size and fit of the pictures to make, checked as is `missing`; the store keeps its own."""
    old = None if None not in (size, fit) or is_open(out) else form_of(out)
    if size is None and old is None and (out / DATA).exists():
        raise ImageError(
            f"{out} cannot be read, so that its size and fit are unknown: give {option('size')} and "
            f"{option('fit')}, as when it was packed"
        )
    old_size, old_fit = old or _DEFAULT
    size, fit = old_size if size is None else size, old_fit if fit is None else fit
    if not 1 <= size <= LARGEST_SIZE:
        raise ImageError(f"size is {size}, expected 1 … {LARGEST_SIZE} pixels")
    for name, value, known in (("fit", fit, get_args(Fit)), ("missing", missing, get_args(Missing))):
        if value not in known:
            raise ImageError(f"unknown {name} {value!r}: {nearest(str(value), known)}")
    return size, fit


def _absent(found: AbstractCovers, items: Sequence[str]) -> list[Unusable]:
    """The items without a file; if these are all, it is the wrong folder."""
    absent = found.missing(items)
    if len(absent) == len(items):
        first = items[0]
        raise ImageError(
            f"none of the {len(items):,} items has a cover in {found.place}: {held(found.others)}, the "
            f"items are {some_of(map(repr, items))}; expected files such as '{first}.jpg' or "
            f"'{first}/0.jpg': give the folder of covers that belongs to these items"
        )
    return absent


def _pack_all(writer: StoreWriter, found: AbstractCovers, tasks: list[str], threads: int) -> list[Unusable]:
    """Decodes and stores every task; returns the unusable ones. If interrupted, keeps finished ones."""
    broken: list[Unusable] = []
    if not tasks:
        return broken
    writer.begin(len(tasks))
    work = partial(_make, found, size=writer.manifest.size, fit=writer.manifest.fit)
    line = progress_line("packing covers", len(tasks))
    with ready(), line as advance, closing(in_threads(work, tasks, threads=threads)) as results:
        try:
            for result in results:
                if isinstance(result, Unusable):
                    broken.append(result)
                else:
                    made = result.picture
                    shape = made.width, made.height
                    writer.add(result.item_id, made.pixels, result.stamp, result.digest, shape=shape)
                advance()
        except KeyboardInterrupt:
            writer.commit()
            raise
    writer.commit()
    return broken


def _make(found: AbstractCovers, item_id: str, *, size: int, fit: Fit) -> _Made | Unusable:
    try:
        data, stamp = found.read(item_id)
        picture = found.decode(item_id, data, size=size, fit=fit)
        return _Made(item_id, picture, stamp, sha256(data).digest())
    except Refused as refused:
        return Unusable(item_id, refused.reason, refused.detail)


def _outstanding(found: AbstractCovers, items: Iterable[str], writer: StoreWriter) -> list[str]:
    """The items with a cover that is not in the store, or has changed since."""
    known = writer.stamps()
    return [
        item_id
        for item_id in found.in_order(items)
        if (stamp := known.get(key_of(item_id))) is None or stamp != found.stamp(item_id)
    ]


def _settle(writer: StoreWriter, unusable: list[Unusable], items: Sequence[str], missing: Missing) -> None:
    """Makes unusable items grey, or removes them, and marks the store complete, unless nothing changes."""
    items_set = set(items)
    grey = {item_id: why for item_id, why in writer.manifest.grey.items() if item_id not in items_set}
    if missing == "grey":
        grey |= {u.item_id: u.reason for u in unusable}
    settled = writer.manifest.complete and grey == writer.manifest.grey
    if settled and (missing == "grey" or not unusable):
        return
    writer.begin(len(unusable))
    if missing == "grey":
        for item in unusable:
            writer.add(item.item_id, grey_square(writer.manifest.size), None)
    else:
        writer.drop(u.item_id for u in unusable)
    writer.finish(grey=grey)


def _place(out: Path, overwrite: bool) -> AbstractContextManager[Path]:
    """Where to write: the store itself, or a draft that replaces it once complete."""
    _demand_closed(out)
    if overwrite and out.exists():
        check_place(out)
        if is_foreign(out):
            raise foreign(out)
        return new_folder(out, ImageError, resumable=True)
    return in_place(out, ImageError)


def _demand_closed(out: Path) -> None:
    if is_open(out):
        raise ImageError(f"the picture store {out} is open in this process: close it before packing into it")


def _opened(target: Path, wanted: Manifest, *, spare: bool) -> StoreWriter:
    """The writer of a store; a draft left by an earlier replacement with other options is removed."""
    try:
        return StoreWriter(target, wanted)
    except ImageError:
        if not spare:
            raise
    shutil.rmtree(target)
    return StoreWriter(target, wanted)
