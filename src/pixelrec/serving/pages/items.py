"""All items, searched by id and title; the form in every page leads here, and finds users as well."""

from __future__ import annotations

import polars as pl
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from pixelrec.console.numbers import plural
from pixelrec.data.numbering import look_up
from pixelrec.serving.indices import ORDERS, Order
from pixelrec.serving.pages.links import ServerLinks
from pixelrec.serving.pages.paging import Page, Part, Words
from pixelrec.serving.pages.rendering import page as answer
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun

router = APIRouter()
AT_ONCE = 60  # covers


@router.get("/items")
def items(
    request: Request,
    shop: TheShop,
    q: Words = "",
    run: str | None = None,
    sort: Order = "popular",
    page: Page = 1,
) -> Response:
    """An item or user whose id is searched for is shown at once."""
    served, words = shop.run(run), q.strip()
    item, user = _is(words, served.service.items["item_id"]), _is_user(words, served)
    if item != user:
        links = ServerLinks()
        return RedirectResponse(links.item(words, run) if item else links.user(words, run), 303)
    found = served.indices.found(words, sort)
    part = Part(len(found), AT_ONCE, page)
    tiles = [
        Tile.of(shop, item, title, note=counted(events))
        for item, title, events in found.slice(part.start, AT_ONCE)
        .select("item_id", "title", "events")
        .iter_rows()
    ]
    orders = [(order, ORDERS[order][0]) for order in served.indices.orders]
    values = {"q": words, "sort": sort, "orders": orders, "part": part, "tiles": tiles, "served": served}
    return answer(
        request, "items.html", {**values, "user": user, "query": {"q": q, "run": run, "sort": sort}}
    )


def counted(events: int | None) -> str:
    """The training events of an item, below its cover; nothing where they are not known."""
    return "" if events is None else plural(events, "event") if events else "new: no events"


def _is(word: str, known: pl.Series) -> bool:
    return bool(word) and bool(look_up([word], known)[0])


def _is_user(word: str, run: ServedRun) -> bool:
    return run.dataset is not None and _is(word, run.dataset.user_ids)
