"""The verb that makes a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, as_input, as_source, as_sources, checked
from pixelrec.api.images import as_covers
from pixelrec.choices import (
    OVER_IDS,
    DecimalSign,
    Fit,
    FolderFormat,
    HeaderLine,
    Missing,
    Order,
    QuoteMark,
    Repeats,
    SplitRule,
    TimeUnit,
)
from pixelrec.console.progress import ignore, shown_on
from pixelrec.errors import DataError, RequestError, command, option

if TYPE_CHECKING:
    import polars as pl
    from narwhals.typing import IntoFrame
    from rich.console import Console

    from pixelrec.data.covers import PackedCovers
    from pixelrec.data.dataset import Dataset
    from pixelrec.data.formats.given import GivenFolder

_TABLES = "give a CSV file, a Parquet file or a folder"


@checked
def prepare(
    interactions: Place | IntoFrame | Sequence[Place | IntoFrame],
    *,
    out: Place,
    items: Place | IntoFrame | None = None,
    items_id_column: str | None = None,
    covers: Place | None = None,
    cover_column: str | None = None,
    size: int | None = None,
    fit: Fit | None = None,
    missing: Missing = "error",
    item_column: str = "item_id",
    user_column: str = "user_id",
    time_column: str = "timestamp",
    time_unit: TimeUnit | None = None,
    order: Order = "time",
    separator: str | None = None,
    header: HeaderLine | None = None,
    encoding: str | None = None,
    quote: QuoteMark | None = None,
    decimal: DecimalSign | None = None,
    rating_column: str = "rating",
    min_rating: float | None = None,
    min_user_events: int = 1,
    min_item_events: int = 1,
    repeats: Repeats = "drop",
    format: FolderFormat | None = None,
    split: SplitRule | None = None,
    pack: bool = True,
    overwrite: bool = False,
    on_packed: Callable[[PackedCovers], object] | None = None,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> Dataset:
    """Make a data set from interactions and covers.

    Tables in text are read as they are: separator, header, encoding, quotes and decimal sign are found by
    looking at the first lines, and printed if they are not those of plain CSV. If anything is wrong, nothing
    is written.

    Args:
        interactions: files with a row per event, tables in text (.csv, .tsv, .dat, .txt, …, perhaps with .gz)
            or Parquet, or folders of such files; in Python also data frames of any library.
        out: data set folder to write.
        items: table in text or Parquet with a row per item: title, tag, description, counters.
        items_id_column: column of item ids in ITEMS, if it is not that of --item-column.
        covers: folder of pictures <item_id>.jpg or <item_id>/0.jpg (or .png, …), also in subfolders; Parquet
            with pictures; or an LMDB of the published benchmark code.
        cover_column: column of ITEMS that names the picture file of each, where ids do not tell.
        size: width and height of a packed picture, in pixels; by default as packed before, at first 224.
        fit: stretch pictures to a square, crop the centre square, or pad to a square; by default as packed
            before, at first stretch.
        missing: items without a usable cover: stop with an error, use a grey picture, or drop the items with
            their events.
        item_column: column of item ids: its name, or its place, from 1.
        user_column: column of user ids.
        time_column: column of times: numbers or dates.
        time_unit: unit of times that are numbers, since 1970; by default by the size of the first one.
        order: what orders the events of a user: time, or their place in the file, for logs without times.
        separator: sign between the columns of a text, such as ; or ::, or tab, space.
        header: whether the first line has the names of the columns.
        encoding: of a text: utf-8, utf-16, latin-1, cp1252, …
        quote: quotes around the fields of a text, within which a separator is a letter.
        decimal: sign in the numbers of a text.
        rating_column: column of ratings, for --min-rating.
        min_rating: leave out events with a lower rating.
        min_user_events: leave out users with fewer events; repeated with items until all have enough.
        min_item_events: leave out items with fewer events; repeated with users until all have enough.
        repeats: drop rows that repeat user, item and time of an earlier row, or keep them as events; or keep
            only the first or the last event of a user with an item.
        format: what the folder INTERACTIONS is; by default it is found by looking, and printed.
        split: hold out the events that the files say, or the last two of each user; by default those that the
            files say, if they do.
        pack: pack the covers of a folder that was recognised; else they are left to `images pack`.
        overwrite: replace the data set at OUT, and its pictures if covers are given.
        on_packed: called with a report when the covers are packed.
        on_note: called with a line about what was found by looking.
        console: for a progress bar; without one, nothing is drawn.
    """
    place = Path(out)
    tables = [_table(each, "interactions") for each in as_sources(interactions, "interactions")]
    described_by = None if items is None else _table(as_source(items, "items"), "items")
    pictures = None if covers is None else as_covers(covers)
    from pixelrec.data.manifest import demand_place, is_dataset

    if done := next((each for each in tables if isinstance(each, Path) and is_dataset(each)), None):
        train = command("train", OVER_IDS, "--data", done)
        raise DataError(
            f"{done}: a data set already; train on it with `{train}`, or give the files it is to be made of"
        )
    demand_place(place, [], overwrite)
    from pixelrec.data.dialect import DialectOptions
    from pixelrec.data.prepare import prepare as prepare_interactions

    dialect = DialectOptions(separator, header, encoding, quote, decimal)
    columns = {
        "item_column": item_column,
        "user_column": user_column,
        "time_column": time_column,
        "rating_column": rating_column,
    }
    given = _given(tables, format, looking=items is None, split=split)
    if given is not None:
        columns = given.instead_of(columns)
        described_by, items_id_column = described_by or given.items, items_id_column or given.items_id_column
        pictures = pictures or (given.covers if pack else None)
    packing = None
    if cover_column is not None and (pictures is None or described_by is None):
        raise RequestError(
            f"{option('cover_column', cover_column)} names files of --covers by --items: give both"
        )
    if pictures is not None:
        packing = _packing_of_draft(pictures, place, size, fit, missing, cover_column, on_packed)
    with shown_on(console), _known_inside(tables if given is None else ()):
        return prepare_interactions(
            tables,
            out=place,
            items=described_by,
            items_id_column=items_id_column,
            **columns,
            time_unit=time_unit,
            order=given.order if given and order == "time" else order,
            min_rating=min_rating,
            dialect=dialect,
            min_user_events=min_user_events,
            min_item_events=min_item_events,
            repeats=repeats,
            given=given,
            split=split or ("given" if given and given.split_column else "leave-one-out"),
            cover_column=cover_column,
            overwrite=overwrite,
            on_note=on_note or ignore,
            pack_covers=packing,
        )


@contextmanager
def _known_inside(tables: Sequence[Path | pl.DataFrame]) -> Iterator[None]:
    """Adds to an error about the parts of folders which folders inside are of a known format."""
    try:
        yield
    except DataError as error:
        from pixelrec.data.formats.recognise import known_inside

        folders = [each for each in tables if isinstance(each, Path) and each.is_dir()]
        raise DataError(f"{error}{''.join(map(known_inside, folders))}") from error


def _given(
    tables: Sequence[Path | pl.DataFrame],
    format: FolderFormat | None,
    *,
    looking: bool,
    split: SplitRule | None,
) -> GivenFolder | None:
    """What the only one of `tables`, a folder, is; raises `RequestError` for options of another one."""
    only = tables[0] if len(tables) == 1 else None
    folder = only if isinstance(only, Path) and only.is_dir() else None
    if format is not None and folder is None:
        raise RequestError(f"{option('format', format)} is of one folder; leave it out with files")
    given = None
    if folder is not None and (looking or format is not None):
        from pixelrec.data.formats.recognise import recognise

        given = recognise(folder, format)
    if split == "given" and (given is None or given.split_column is None):
        raise RequestError("split is 'given', but the files say none; leave it out, or name the --format")
    return given


def _table(source: Path | pl.DataFrame, name: str) -> Path | pl.DataFrame:
    return as_input(source, name, DataError, _TABLES) if isinstance(source, Path) else source


def _packing_of_draft(
    covers: Path,
    out: Path,
    size: int | None,
    fit: Fit | None,
    missing: Missing,
    column: str | None,
    on_packed: Callable[[PackedCovers], object] | None,
) -> Callable[[Dataset], None]:
    """Packs covers into a draft of the data set at `out`; refuses bad options at once."""
    from pixelrec.data.covers import pack_covers
    from pixelrec.data.dataset import COVERS
    from pixelrec.images.pack import demand_packable

    demand_packable(covers, out / COVERS, size=size, fit=fit, missing=missing)

    def packing(draft: Dataset) -> None:
        packed = pack_covers(draft, covers, size=size, fit=fit, missing=missing, draft_of=out, column=column)
        if on_packed is not None:
            on_packed(packed)

    return packing
