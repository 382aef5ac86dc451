"""Verbs over a trained run that look behind its recommendations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Ids, Place, Seed, checked
from pixelrec.api.frames import in_kind_of
from pixelrec.api.recommendations import load
from pixelrec.choices import Split, as_ids
from pixelrec.console.progress import ignore
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.runs.run import Run


@checked
def explain(
    run: Run | Place,
    *,
    user: str | None = None,
    history: Ids = (),
    items: Ids = (),
    before: Split | None = None,
    k: int = 3,
    latest: int | None = None,
    data: Dataset | Place | None = None,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> pl.DataFrame:
    """Show which events of a history carry a recommendation.

    Each event is left out in turn, as if it had never happened; the score and the rank of the item without it
    are exact. All ranks are among the items that are not in the history.

    Args:
        run: run folder.
        user: id of a user of the data set.
        history: ids of items, oldest first, of a user who is not in the data set.
        items: ids of items to explain; by default the best k.
        before: explain what was recommended to the user before this held-out event; by default all events are
            known.
        k: number of recommended items to explain.
        latest: number of latest events that are left out in turn, at most and by default as many as the model
            sees; of a blend, one hundred.
        data: data set folder with the events of users; by default the one of training.
        on_note: called with a line about ids that the run does not know.
        console: for progress; without one, nothing is printed.

    Returns:
        A row per item and event, the events that speak most for the item first: `item_id` and its `rank`,
        `event` (1 is the latest), the `event_item` and its `title` if there are titles, `score_change`
        (positive: the event speaks for the item), and `rank_without`, the rank without the event. A Polars
        frame, or one of pandas or PyArrow if the history or the items are.

    Raises:
        RequestError: an id is unknown, not exactly one of user and history is given, an item is in the
            history, or the model looks at no history.
    """
    past, chosen = as_ids(history, "history"), as_ids(items, "items")
    if (user is None) == (not past):
        raise RequestError(
            "give a user (--user), or a history of item ids (--history): exactly one of the two"
        )
    service = load(run, data=data, console=console)
    from pixelrec.insight.leave_one_out import explanations, rows_of
    from pixelrec.insight.past import past_of

    whose = past_of(service, user=user, history=past, before=before)
    found = explanations(service, whose, chosen, k=k, latest=latest)
    for note in found[0].notes:
        (on_note or ignore)(note)
    answer: pl.DataFrame = in_kind_of(rows_of(found, service.id_types), history, items)
    return answer


@checked
def what_if(
    run: Run | Place,
    item: str,
    *,
    crop: Sequence[float] = (),
    blur: Sequence[float] = (),
    jpeg_quality: Sequence[int] = (),
    text: Sequence[str] = (),
    grey: bool = False,
    covers: Sequence[Place] = (),
    users: int = 2000,
    by_user: bool = False,
    seed: Seed = 0,
    data: Dataset | Place | None = None,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> pl.DataFrame:
    """Show how another cover would change an item's rank.

    Each change is made to the packed cover on its own; nothing is trained again. Ranks are exact, among all
    items that a user has not seen. Users who have the item already are left out.

    Args:
        run: run folder; its item vectors come from pictures.
        item: id of an item.
        crop: parts of each side that are kept, around the middle, such as 0.8.
        blur: Gaussian blurs; their standard deviations in percent of a side.
        jpeg_quality: qualities of a JPEG, 1 to 100.
        text: words on a band at the foot of the cover.
        grey: without colours.
        covers: files of other covers.
        users: users whose lists are looked at; of more, that many are drawn.
        by_user: a row per change and user instead: rank_before, rank_after and rise.
        seed: of the draw of users.
        data: data set folder with the events of users; by default the one of training.
        on_note: called with a line about the number of users.
        console: for progress; without one, nothing is printed.

    Returns:
        A row for the cover as it is and for each change: `change`, `median` (of ranks), `top_10` and `top_50`
        (fractions of users among whose 10 or 50 best items it is), `rise` (mean number of places), its 95 %
        interval from `low` to `high`, `up` and `down` (fractions of users in whose lists it rises and falls).

    Raises:
        RequestError: the item is unknown, the model does not take pictures, or nothing is changed.
        ImageError: a file is not a usable picture.
    """
    from pixelrec.images.edits import edits_of

    edits = edits_of(crop=crop, blur=blur, jpeg_quality=jpeg_quality, text=text, grey=grey)
    files = list(map(Path, covers))
    if not edits and not files:
        raise RequestError(
            "what if what? Give a change of the cover, such as --blur 5, --grey or --cover FILE"
        )
    service = load(run, data=data, console=console)
    from pixelrec.insight.what_if import what_if as compute

    found = compute(service, item, edits=edits, covers=files, users=users, seed=seed)
    (on_note or ignore)(found.note)
    return service.id_types.restored(found.by_user()) if by_user else found.frame
