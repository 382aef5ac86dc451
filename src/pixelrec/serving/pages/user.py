"""A user: the history, the recommendations of one or two runs, and the item that was chosen next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias, final

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pixelrec.errors import RequestError
from pixelrec.serving.evaluated_users import EvaluatedUsers
from pixelrec.serving.pages.home import missing_users
from pixelrec.serving.pages.links import AbstractLinks
from pixelrec.serving.pages.rendering import links_of, page
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.pages.user_selection import Selection, TheSelection
from pixelrec.serving.pages.users import filter_name
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop
from pixelrec.serving.titles import titles_of
from pixelrec.serving.user_lists import Past, UserList, list_before, list_now, past

router = APIRouter()
RECENT, OLDER = 14, 200  # events shown at once, and when asked for
LENGTHS = (10, 20, 50)
Row: TypeAlias = Mapping[str, int | str]
Length: TypeAlias = Annotated[int, Query(ge=1, le=100)]


@final
@dataclass(frozen=True)
class Side:
    """The list of a run, ready to be shown."""

    found: UserList
    tiles: Sequence[Tile]


@router.get("/user")
def user(
    request: Request, shop: TheShop, selection: TheSelection, id: str, k: Length = 10, now: bool = False
) -> HTMLResponse:
    return page(request, "user.html", user_values(shop, selection, id, k, now, links_of(request)))


def user_values(
    shop: Shop, selection: Selection, user: str, k: int, now: bool, links: AbstractLinks
) -> dict[str, object]:
    """The values of the template; raises `RequestError` for an unknown user."""
    run, other = selection.runs(shop)
    if run.dataset is None:
        raise RequestError(f"{run.name} knows no user: {missing_users(run)}")
    run.dataset.user_numbers([user])
    found = selection.users(shop)
    row = None if found is None or now else found.row(user)
    if found is None or row is None:
        events, target = past(run, user, None), None
        lists = [list_now(each, user, k) for each in (run, other) if each]
    else:
        events, target = past(run, user, found.split), str(row["item_id"])
        lists = _lists_before(found, other, row, k)
    history = _history(shop, events)
    return {
        "selection": selection,
        "served": run,
        "chosen": run.name,
        "user": user,
        "now": row is None,
        "evaluated": found is not None and found.row(user) is not None,
        "row": row,
        "found": found,
        "k": k,
        "lengths": LENGTHS,
        "events": len(events),
        "recent": history[-RECENT:],
        "older": history[:-RECENT],
        "next": None if target is None else _target(shop, run, target),
        "sides": [Side(each, listed_tiles(shop, each, target)) for each in lists],
        **_places(found, selection, user, links),
    }


def _lists_before(found: EvaluatedUsers, other: ServedRun | None, row: Row, k: int) -> list[UserList]:
    run, cases, user = found.run, found.run.cases[found.split], str(row["user_id"])
    lists = [list_before(run, user, cases, k, int(row["rank"]))]
    if other is not None and _same_numbers(run, other):
        rank = int(row["other"]) if other is found.beside else None
        lists.append(list_before(other, user, cases, k, rank))
    elif other is not None:
        why = "it was trained on other data, so it is shown beside the events from now on only"
        lists.append(UserList(other, other.service.items.head(0), problem=why))
    return lists


def _same_numbers(run: ServedRun, other: ServedRun) -> bool:
    """Whether both were trained on one data set, whose item numbers they share."""
    ours, theirs = run.service.own, other.service.own
    return ours is not None and theirs is not None and ours.fingerprint == theirs.fingerprint


def _history(shop: Shop, events: Past) -> list[Tile]:
    """With dates, if they are known: the latest is the last."""
    some = events.items.tail(RECENT + OLDER)
    titles = some["title"].to_list() if "title" in some.columns else [None] * len(some)
    days = [""] * len(some)
    if events.times is not None:
        times = events.times[len(events) - len(some) :]
        days = [str(np.datetime64(int(time), "s").astype("datetime64[D]")) for time in times]
    return [
        Tile.of(shop, item, title, note=day)
        for item, title, day in zip(some["item_id"], titles, days, strict=True)
    ]


def listed_tiles(shop: Shop, each: UserList, target: str | None = None) -> list[Tile]:
    """The list with ranks; the next item follows it with its own rank, if it is not in it."""
    ids, known = each.items["item_id"].to_list(), titles_of(each.run, each.items["item_id"].to_list())
    tiles = [
        Tile.of(shop, item, known.get(item), mark=place, right=item == target)
        for place, item in enumerate(ids, 1)
    ]
    if target is not None and target not in ids and each.rank is not None:
        tiles.append(_target(shop, each.run, target, f"{each.rank:,}"))
    return tiles


def _target(shop: Shop, run: ServedRun, item: str, mark: str = "") -> Tile:
    return Tile.of(shop, item, titles_of(run, [item]).get(item), mark=mark, right=True)


def _places(
    found: EvaluatedUsers | None, selection: Selection, user: str, links: AbstractLinks
) -> dict[str, object]:
    """The users before and after this one in the list that is carried along."""
    ids = [] if found is None else found.sorted(selection.show, selection.order)["user_id"].to_list()
    if found is None or user not in ids:
        return {"place": None}
    place = ids.index(user)
    earlier = selection.user_page(links, ids[place - 1]) if place else ""
    later = selection.user_page(links, ids[place + 1]) if place + 1 < len(ids) else ""
    among = "" if selection.show == "all" else f", {filter_name(found, selection.show)}"
    return {"place": place + 1, "earlier": earlier, "later": later, "total": len(ids), "among": among}
