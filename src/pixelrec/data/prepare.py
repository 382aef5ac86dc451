"""Making a data set of interactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import starmap
from pathlib import Path
from typing import get_args

import polars as pl

from pixelrec.choices import Order, Repeats, SplitRule, TimeUnit
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.columns import Columns
from pixelrec.data.dataset import COVERS, Dataset
from pixelrec.data.dialect import BY_LOOKING, DialectOptions
from pixelrec.data.filters import Filtered
from pixelrec.data.fingerprints import fingerprints, frame_print
from pixelrec.data.formats.given import GivenFolder
from pixelrec.data.id_types import IdTypes
from pixelrec.data.information import FRAME, demand_file, described, read_information
from pixelrec.data.interactions import read_interactions
from pixelrec.data.manifest import ENTRIES, demand_place
from pixelrec.data.parts import parts_of
from pixelrec.data.sequences import evaluated_by, hold_out, ties
from pixelrec.data.writer import demand_evaluated, write_dataset
from pixelrec.errors import DataError, demand_address_space, some_of
from pixelrec.features.importing import import_vectors
from pixelrec.files.atomic import new_folder
from pixelrec.images.covers import list_path

_MANY_TIES = 0.1  # of all events


def prepare(
    interactions: Path | str | pl.DataFrame | Sequence[Path | str | pl.DataFrame],
    *,
    out: Path | str,
    items: Path | str | pl.DataFrame | None = None,
    items_id_column: str | None = None,
    item_column: str = "item_id",
    user_column: str = "user_id",
    time_column: str = "timestamp",
    time_unit: TimeUnit | None = None,
    order: Order = "time",
    rating_column: str = "rating",
    min_rating: float | None = None,
    dialect: DialectOptions = BY_LOOKING,
    repeats: Repeats = "drop",
    min_user_events: int = 1,
    min_item_events: int = 1,
    given: GivenFolder | None = None,
    split: SplitRule = "leave-one-out",
    cover_column: str | None = None,
    overwrite: bool = False,
    on_note: OnProgress = ignore,
    pack_covers: Callable[[Dataset], object] | None = None,
) -> Dataset:
    """Writes the data set `out` and opens it.

    Users and items are numbered by first appearance in the file. Events are ordered by user, time and place
    in the file; the last of every user with at least three is held out.

    Args:
        interactions: a table in text or Parquet, a folder of them at any depth, which are read by name, or
            several files and folders, which are read in turn; or frames.
        out: the data set's folder.
        items: item information, in text or Parquet, or a frame.
        items_id_column: column of item ids there; `item_column` by default.
        item_column, user_column: columns of ids, text or integers.
        time_column: column of times: numbers, datetimes, or ISO 8601 dates as text, UTC unless they
            say otherwise. Stored as whole unix seconds, rounded down; finer times order the events first.
        time_unit: unit of the numbers in `time_column`; by default by the size of the first one of a file.
        order: of the events of a user: by time, or as they stand in the files; then there is no column of
            times, and rows count in their place.
        rating_column: column of ratings, for `min_rating`.
        min_rating: events with a lower rating are left out; by default there is no column of ratings.
        dialect: what is known of tables in text; the rest is found by looking.
        repeats: drop or keep rows of a user, item and time that an earlier row has too; or keep only the
            first or the last event of a user with an item.
        min_user_events, min_item_events: users and items with fewer events are left out, again and again
            until there are none.
        given: what `interactions`, a folder of another program, was recognised as.
        split: the events that are held out: those that the files say, or the last of each user.
        cover_column: of `items`, for the record: `pack_covers` reads it.
        overwrite: replace `out` where it is a data set; files in it that are not the data set's own stay.
        on_note: called with a line about what was found by looking.
        pack_covers: makes the picture store of the data set while that is a draft; if it raises, nothing is
            written. An existing store is replaced, too.

    Raises:
        DataError: the first fault, by file and line or row. Nothing is left behind.
    """
    split_column = None if given is None or split != "given" else given.split_column
    columns = Columns(
        item_column, user_column, time_column, time_unit, order, rating_column, min_rating, split_column
    )
    if repeats not in get_args(Repeats):
        raise DataError(f"repeats is {repeats!r}; expected one of {', '.join(get_args(Repeats))}")
    sources = [interactions] if isinstance(interactions, Path | str | pl.DataFrame) else interactions
    paths = [each if isinstance(each, pl.DataFrame) else Path(each) for each in sources]
    out, described_by = Path(out), Path(items) if isinstance(items, Path | str) else None
    if described_by is not None:
        demand_file(described_by)
    parts = given.parts if given else parts_of(paths, apart=described_by)
    inputs = {part.path: part.name for part in parts if part.frame is None}
    inputs |= {} if described_by is None else {described_by: described_by.name}
    frames = {part.name: part.frame for part in parts if part.frame is not None}
    frames |= {"items": items} if isinstance(items, pl.DataFrame) else {}
    demand_address_space(_address_space(inputs))
    ours = ENTRIES if pack_covers is None else ENTRIES | {COVERS, list_path(Path(COVERS)).name}
    with new_folder(out, DataError, ours=ours) as folder:
        demand_place(out, inputs, overwrite)
        with fingerprints(inputs) as prints:
            notes: list[str] = []
            known = None
            if items is not None:
                about = items if isinstance(items, pl.DataFrame) else Path(items)
                own = given if given and described_by == given.items else None
                known = read_information(
                    about,
                    items_id_column or item_column,
                    notes.append,
                    None if own is None else own.items_columns,
                    has_entities=own is not None and own.has_entities,
                )
            read = read_interactions(parts, columns, dialect, notes.append)
            if given is not None:
                on_note(given.told(split))
                read = given.named(read)
            least = {"min_user_events": min_user_events, "min_item_events": min_item_events}
            filtered = Filtered.of(read, repeats, least)
            read = filtered.read
            if order == "time":
                notes += _of_ties(read.events)
            for note in notes:
                on_note(note)
            users = len(read.user_ids)
            chosen = evaluated_by(read.events, users) if "split" in read.events.columns else None
            sequences = hold_out(read.events, users, chosen)
            names = [part.name if part.frame is not None else str(part.path) for part in parts]
            demand_evaluated(sequences, f"{some_of(names)}{filtered}")
            information = read.item_ids.to_frame("item_id")
            if known is not None:
                information = described(read.item_ids, known, described_by or FRAME)
            provenance = {
                "options": {
                    **asdict(columns),
                    "dialect": asdict(dialect),
                    "repeats": repeats,
                    "cover_column": cover_column,
                    "split": split,
                    **least,
                },
                "exact_repeats": filtered.exact_repeats,
                "left_out": filtered.left_out,
                "notes": notes,
                "id_types": IdTypes(read.user_type, read.item_type).names,
                "sources": [*(each.result() for each in prints), *starmap(frame_print, frames.items())],
            }
            write_dataset(folder, sequences, read.user_ids, information, provenance)
        for name, vectors in given.vectors().items() if given else ():
            import_vectors(
                vectors, folder / "features" / name, items=read.item_ids, unknown="drop", overwrite=True
            )
        if pack_covers is not None:
            pack_covers(Dataset.open(folder))
        demand_place(out, inputs, overwrite)  # somebody may have made a data set there meanwhile
    return Dataset.open(out)


def _of_ties(events: pl.DataFrame) -> list[str]:
    """A note where many events have no order in time."""
    tied = ties(events)
    if tied < _MANY_TIES * events.height:
        return []
    return [
        f"{tied:,} of {events.height:,} events have the same time as another event of their user, and keep "
        "the order of the file; an item twice at one time is a repeat (--repeats)"
    ]


def _address_space(files: Iterable[Path]) -> int:
    """Bytes, as measured: the more the larger the files, which are compressed unless they are CSV."""
    size = sum(file.stat().st_size * (1 if file.suffix.lower() == ".csv" else 4) for file in files)
    return 1_400_000_000 + 9 * min(size, 2 * 10**8) + 4 * max(size - 2 * 10**8, 0)
