"""Recommendations for a history that a visitor puts together, of items found by id or title."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pixelrec.serving.pages.paging import Words
from pixelrec.serving.pages.rendering import page
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.pages.user import Length, Side, listed_tiles
from pixelrec.serving.request import TheShop
from pixelrec.serving.titles import titles_of
from pixelrec.serving.user_lists import list_for

router = APIRouter()
OFFERED, MOST, SIDES = 24, 200, 4  # items that are offered; events of a history; runs side by side


@router.get("/history")
def history(
    request: Request,
    shop: TheShop,
    items: Annotated[str, Query(max_length=20_000)] = "",
    find: Words = "",
    run: str | None = None,
    k: Length = 10,
) -> HTMLResponse:
    """items: ids, one a line, the latest last."""
    served = shop.run(run)
    ids = list(dict.fromkeys(each for line in items.splitlines() if (each := line.strip())))[-MOST:]
    runs = [served, *(other for other in shop.runs.values() if other is not served)][:SIDES]
    lists = [list_for(each, ids, k) for each in runs] if ids else []
    known = titles_of(served, ids)
    offered = [
        Tile.of(shop, row["item_id"], row["title"])
        for row in served.indices.found(find, "popular").head(OFFERED).iter_rows(named=True)
        if row["item_id"] not in ids
    ]
    values = {
        "served": served,
        "chosen": served.name,
        "ids": ids,
        "find": find,
        "past": [Tile.of(shop, item, known.get(item)) for item in ids],
        "sides": [Side(each, listed_tiles(shop, each)) for each in lists],
        "offered": offered,
    }
    return page(request, "history.html", values)
