"""The catalogue as a map of covers, and what its script asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Annotated, TypeAlias, final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from pixelrec.insight.tiles import KIND, PIXELS
from pixelrec.serving.pages.links import AbstractLinks, ServerLinks
from pixelrec.serving.pages.paging import Page, Part, Words
from pixelrec.serving.pages.rendering import links_of
from pixelrec.serving.pages.rendering import page as answer
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_atlas import Map
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop

router = APIRouter()
LISTED = 48  # items in a list
_WAIT = 1.5  # seconds that a visitor waits for the map: one that was kept is there by then
_KEPT = {"Cache-Control": "private, max-age=3600"}  # addresses hold a digest of the map
_AGAIN = {"Refresh": "3"}  # seconds until a browser looks again
_DRAWING = ThreadPoolExecutor(2, thread_name_prefix="tiles")  # more would delay all other answers
Cell: TypeAlias = Annotated[int, Query(ge=-(10**9), le=10**9)]


@final
@dataclass(frozen=True)
class Listed:
    id: str
    title: str
    href: str
    x: int  # column of its cell
    y: int


@router.get("/atlas")
def atlas(
    request: Request, shop: TheShop, run: str | None = None, text: Words = "", page: Page = 1
) -> Response:
    """Without its script, it shows a picture of the whole and a list, the most popular items first.

    text: marks items whose id or title holds it, and lists them.
    """
    served = shop.run(run)
    found = served.atlas.ready(_WAIT)
    if found is None:
        waiting = answer(request, "atlas_wait.html", {"run": served, "progress": served.atlas.progress})
        waiting.headers.update(_AGAIN)
        return waiting
    rows = found.found(text, LISTED) if text else found.pyramid.order
    part = Part(len(rows), LISTED, page)
    listed = _listed(served, found, rows[part.start : part.start + LISTED], links_of(request))
    values = {"run": served, "map": found, "data": _data(served, found), "text": text}
    return answer(request, "atlas.html", {**values, "part": part, "listed": listed})


@router.get("/atlas/tile")
async def tile(shop: TheShop, z: int, x: int, y: int, run: str | None = None) -> Response:
    """A tile of level z, as a picture; a problem if there is none."""
    tiles = _made(shop, run).tiles
    drawn = await asyncio.get_running_loop().run_in_executor(_DRAWING, tiles.tile, z, x, y)
    return Response(drawn, media_type=f"image/{KIND}", headers=_KEPT)


@router.get("/atlas/points")
def points(shop: TheShop, run: str | None = None) -> Response:
    """The cells and colours of all items; see `Map.points`."""
    return Response(_made(shop, run).points, media_type="application/octet-stream", headers=_KEPT)


@router.get("/atlas/items")
def items(
    shop: TheShop, left: Cell, top: Cell, right: Cell, bottom: Cell, run: str | None = None
) -> JSONResponse:
    """The items in a rectangle of cells, the most popular first, and their number."""
    found = _made(shop, run)
    rows = found.pyramid.within(left, top, right, bottom)
    return _found(shop.run(run), found, rows[:LISTED], len(rows))


@router.get("/atlas/find")
def find(shop: TheShop, text: Words, run: str | None = None) -> JSONResponse:
    """Items by a part of their id or title."""
    found = _made(shop, run)
    rows = found.found(text, LISTED)
    return _found(shop.run(run), found, rows, len(rows))


def _made(shop: Shop, run: str | None) -> Map:
    found = shop.run(run).atlas.ready()
    if found is None:
        raise HTTPException(503, "the map is being made; look at its page", {"Retry-After": "3"})
    return found


def _found(run: ServedRun, found: Map, rows: Iterable[int], count: int) -> JSONResponse:
    listed = _listed(run, found, rows, ServerLinks())
    return JSONResponse({"count": count, "items": [asdict(each) for each in listed]})


def _listed(run: ServedRun, found: Map, rows: Iterable[int], links: AbstractLinks) -> list[Listed]:
    """Items by row."""
    chosen = found.items[list(rows)]
    ids = chosen["item_id"].to_list()
    titles = chosen["title"].to_list() if "title" in chosen.columns else [None] * len(ids)
    cells = found.atlas.cells[list(rows)].tolist()
    return [
        Listed(item, title or item, links.item(item, run.name), *cell)
        for item, title, cell in zip(ids, titles, cells, strict=True)
    ]


def _data(run: ServedRun, found: Map) -> dict[str, object]:
    """For the script."""
    links, version = ServerLinks(), found.atlas.key[:16]
    about = [
        {"name": each.name, "about": each.about, "low": each.low, "high": each.high, "groups": each.groups}
        for each in found.layers
    ]
    return {
        "side": found.atlas.side,
        "items": len(found.items),
        "levels": found.pyramid.levels,
        "pixels": PIXELS,
        "layers": about,
        "tile": links.to("atlas/tile", {"run": run.name, "v": version}),
        "points": links.to("atlas/points", {"run": run.name, "v": version}),
        "list": links.to("atlas/items", {"run": run.name}),
        "find": links.to("atlas/find", {"run": run.name}),
    }
