"""Verbs over a trained run: what it recommends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrec.api.arguments import Ids, Place, as_dataset, as_run, checked
from pixelrec.api.frames import as_polars, in_kind_of, is_frame
from pixelrec.choices import as_ids, as_list, as_path
from pixelrec.console.progress import activity, ignore, shown_on
from pixelrec.errors import RequestError, option
from pixelrec.files.hub import local

if TYPE_CHECKING:
    import polars as pl
    from narwhals.typing import IntoFrame
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.runs.all_recommendations import AllRecommendations
    from pixelrec.runs.recommend import RecommendationService
    from pixelrec.runs.run import Run


@checked
def load(
    run: Run | Place, *, data: Dataset | Place | None = None, console: Console | None = None
) -> RecommendationService:
    """Load a run into memory, to recommend many times.

    Args:
        run: run folder.
        data: data set folder with the events of users; by default the one of training, if it is still there.
            Another one, such as one with newer events, serves too: items are found by their ids.
        console: for progress; without one, nothing is printed.

    Raises:
        RunError, DataError: the run or the data set is damaged.
        RequestError: item vectors come from pictures and are not cached, and the data set is not there.
    """
    return _loaded(run, data, [], console)


@checked
def from_pretrained(
    name: str,
    *,
    revision: str | None = None,
    data: Dataset | Place | None = None,
    console: Console | None = None,
) -> RecommendationService:
    """Load a published run, from a folder or from the Hugging Face hub.

    It recommends for histories of item ids, and takes covers of new items, with no data set at hand.

    Args:
        name: folder, or OWNER/NAME on the hub if there is no such folder.
        revision: branch, tag or commit on the hub; by default the latest.
        data: data set folder with the events of users, as in `load`.
        console: for progress; without one, nothing is printed.

    Raises:
        RunError: it is missing, damaged, of another version, or cannot be downloaded.
    """
    from pixelrec.runs.publication import FILES

    address = f"{name}@{revision}" if revision else name
    return load(local(address, FILES), data=data, console=console)


def _loaded(
    run: Run | Place, data: Dataset | Place | None, covers: Sequence[Path], console: Console | None
) -> RecommendationService:
    opened = as_run(run)
    dataset = None if data is None else as_dataset(data)
    from pixelrec.runs.recommend import RecommendationService

    with shown_on(console) as screen, activity("loading", screen) as told:
        return RecommendationService.open(opened, dataset, covers, told)


@checked
def recommend(
    run: Run | Place,
    *,
    users: Ids = (),
    history: Ids = (),
    histories: Path | IntoFrame | Mapping[str, Sequence[str | int]] | Iterable[Sequence[str | int]] = (),
    k: int = 10,
    among: Sequence[str | int] | Path | None = None,
    exclude: Sequence[str | int] | Path = (),
    seen: bool = False,
    covers: Sequence[Place] = (),
    alone: bool = False,
    data: Dataset | Place | None = None,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> pl.DataFrame:
    """Recommend items to users, or for histories of items.

    Items of the history are left out. An id that begins with a dash may be given as --history=-abc.
    `pixelrec recommend RUN --all-users --out FILE` writes those of all users.

    Args:
        run: run folder.
        users: ids of users of the data set.
        history: ids of items, oldest first, of a user who is not in the data set.
        histories: file of the histories of many, of a kind that `prepare` reads: rows of user_id and item_id,
            oldest first, or in JSON lines and Parquet of user_id and item_ids, a list; in Python also a data
            frame of any library, lists of ids, or lists by name.
        k: number of items.
        among: ids of the only items to recommend, such as those in stock; or a file: .txt with an id in each
            line, or .csv, .tsv, .jsonl or .parquet with item_id.
        exclude: ids of items not to recommend, or a file of them.
        seen: recommend items of the history again, for repeat purchases.
        covers: pictures of new items, named as their files, to rank among the catalogue; for models over
            pixels.
        alone: list all of the new items and no others, with the ranks they would have.
        data: data set folder with the events of users; by default the one of training. Another one, such as
            one with newer events, serves too: items are found by their ids.
        on_note: called with a line about ids that the run does not know, while others are known.
        console: for progress; without one, nothing is printed.

    Returns:
        Columns `user_id` (for users; `request` for histories without names), `rank` (1 is best), `item_id`,
        `score`, and `title` if items have one: a Polars frame, or one of pandas or PyArrow if the users or
        histories are. Ids have the type that they had in the files of the data set.

    Raises:
        RequestError: an id is unknown, not exactly one of users, history and histories is given, or the model
            does not take pictures.
        ImageError: a cover is not a usable picture.
    """
    named, user_ids, past = _histories(histories), as_ids(users, "users"), as_ids(history, "history")
    many = isinstance(named, Path) or bool(named)
    if bool(user_ids) + bool(past) + many != 1:
        raise RequestError(
            "give users (--user), a history of item ids (--history), or many (--histories): exactly one of "
            "the three"
        )
    if alone and not covers:
        raise RequestError(f"{option('alone')} lists new pictures only; give some (--with-cover, covers)")
    opened, note = as_run(run), on_note or ignore
    from pixelrec.runs.request_files import ids_or_file, read_histories

    if isinstance(named, Path):
        named = read_histories(named, note)
    chosen = None if among is None else ids_or_file(among, "among", opened, note)
    refused = ids_or_file(exclude, "exclude", opened, note)
    service = _loaded(opened, data, list(map(Path, covers)), console)
    asked = [past] if past else named
    found = service.recommend(
        users=user_ids, histories=asked, k=k, among=chosen, exclude=refused, seen=seen, alone=alone
    )
    for line in found.notes:
        note(line)
    answer = found.frame().drop("request") if past else found.frame()
    return in_kind_of(answer, histories, users, history)


def _histories(
    given: Path | IntoFrame | Mapping[str, Sequence[str | int]] | Iterable[Sequence[str | int]],
) -> Path | Mapping[str, Sequence[str | int]] | list[Sequence[str | int]]:
    if isinstance(given, str | Path):
        return as_path(given, "histories")
    if isinstance(given, Mapping | list | tuple):
        return given if isinstance(given, Mapping) else list(given)
    table: Any = given
    if not is_frame(table):
        return as_list(table, "histories")
    from pixelrec.runs.request_files import histories_of

    return histories_of(as_polars(table, "histories"), "histories")


@checked
def recommend_all(
    run: Run | Place,
    *,
    out: Place,
    k: int = 10,
    among: Sequence[str | int] | Path | None = None,
    exclude: Sequence[str | int] | Path = (),
    seen: bool = False,
    raw: bool = False,
    data: Dataset | Place | None = None,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> AllRecommendations:
    """Recommend items to all users of a data set, in a file.

    The file is written whole or not at all, and memory does not grow with the number of users.

    Args:
        run: run folder.
        out: file to write, .parquet, .csv or .jsonl: user_id, rank, item_id, score, and title if there
            are titles.
        k: number of items for each user.
        among: ids of the only items to recommend, such as those in stock; or a file: .txt with an id in each
            line, or .csv, .tsv, .jsonl or .parquet with item_id.
        exclude: ids of items not to recommend, or a file of them.
        seen: recommend items of the history again, for repeat purchases.
        raw: leave ids and titles in CSV as they are, also those that a spreadsheet would take for a formula;
            without it, an apostrophe precedes them.
        data: data set folder with the users; by default the one of training. Another one, such as one with
            newer events, serves too: items are found by their ids.
        on_note: called with a line about ids that the run does not know.
        console: for progress; without one, nothing is printed.

    Raises:
        RunError, DataError: the run or the data set is damaged.
        RequestError: the data set is not there, or the file cannot be written.
    """
    place = Path(out)
    if place.suffix not in (".parquet", ".csv", ".jsonl"):
        raise RequestError(f"out is {str(place)!r}; expected a name that ends in .parquet, .csv or .jsonl")
    opened, note = as_run(run), on_note or ignore
    from pixelrec.runs.all_recommendations import write_all
    from pixelrec.runs.request_files import ids_or_file

    chosen = None if among is None else ids_or_file(among, "among", opened, note)
    refused = ids_or_file(exclude, "exclude", opened, note)
    service = load(opened, data=data, console=console)
    found = service.for_all_users(k=k, among=chosen, exclude=refused, seen=seen)
    with shown_on(console) as screen, activity("recommending", screen) as told:
        return write_all(found, place, raw=raw, on_note=note, on_progress=told)
