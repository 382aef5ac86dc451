"""All items, searched by id and title; the form in every page leads here, and finds users as well."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from pixelrec.console.numbers import plural
from pixelrec.data.numbering import look_up
from pixelrec.serving.pages.links import ServerLinks
from pixelrec.serving.pages.paging import Page, Part, Words
from pixelrec.serving.pages.rendering import page as answer
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun

router = APIRouter()
AT_ONCE = 60  # covers
Order: TypeAlias = Literal["popular", "rare", "title", "id"]
ORDERS: dict[Order, tuple[str, str, bool]] = {  # name, column, descending
    "popular": ("most events", "events", True),
    "rare": ("fewest events", "events", False),
    "title": ("title", "title", False),
    "id": ("id", "item_id", False),
}


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
    found = found_items(served, words, sort)
    part = Part(len(found), AT_ONCE, page)
    tiles = [
        Tile.of(shop, row["item_id"], row.get("title"), note=plural(row["events"], "event"))
        for row in found.slice(part.start, AT_ONCE).iter_rows(named=True)
    ]
    orders = [
        (key, name)
        for key, (name, column, _) in ORDERS.items()
        if column in served.service.items or column == "events"
    ]
    values = {"q": words, "sort": sort, "orders": orders, "part": part, "tiles": tiles, "served": served}
    return answer(
        request, "items.html", {**values, "user": user, "query": {"q": q, "run": run, "sort": sort}}
    )


def found_items(run: ServedRun, words: str, sort: Order) -> pl.DataFrame:
    """Items whose id or title has all the words: `item_id`, perhaps `title`, and `events`, of training."""
    known = run.service.items
    counts = pl.Series("events", run.counts[1:]).extend_constant(0, max(0, len(known) - len(run.counts) + 1))
    table = known.with_columns(counts.head(len(known)))
    columns = [name for name in ("item_id", "title") if name in known.columns]
    text = pl.concat_str(columns, separator=" ", ignore_nulls=True).str.to_lowercase()
    for word in words.lower().split():
        table = table.filter(text.str.contains(word, literal=True))
    column, descending = ORDERS[sort][1:]
    if column not in table.columns:
        return table
    return table.sort(column, descending=descending, nulls_last=True, maintain_order=True)


def _is(word: str, known: pl.Series) -> bool:
    return bool(word) and bool(look_up([word], known)[0])


def _is_user(word: str, run: ServedRun) -> bool:
    return run.dataset is not None and _is(word, run.dataset.user_ids)
