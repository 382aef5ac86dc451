"""One item: its cover and information, what is near it, how it fared over time, and who would get it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, HTTPException, Query, Request, Response

from pixelrec.errors import RequestError
from pixelrec.serving.item_facts import (
    LARGEST,
    MOST,
    ItemFacts,
    LikelyUser,
    Missing,
    likely_users,
    most_users,
)
from pixelrec.serving.pages.figures import Figure, events_figure, ranks_figure
from pixelrec.serving.pages.items import counted
from pixelrec.serving.pages.rendering import page
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop

router = APIRouter()
Id = Annotated[str, Query(max_length=2000)]


@router.get("/item")
async def item(
    request: Request,
    shop: TheShop,
    engine: TheEngine,
    id: Id,  # noqa: A002 - a word of the address
    run: str | None = None,
    users: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
) -> Response:
    return await engine.compute(partial(_shown, request, shop, shop.run(run), id, users))


def _shown(request: Request, shop: Shop, run: ServedRun, item_id: str, users: int | None) -> Response:
    try:
        facts = ItemFacts.of(shop, run, item_id, users)
    except RequestError as error:
        raise HTTPException(404, str(error)) from None
    return page(request, "item.html", values_of(facts))


def values_of(facts: ItemFacts) -> dict[str, Any]:
    """For the template."""
    shop, dataset = facts.shop, facts.run.dataset
    place = facts.place
    return {
        "facts": facts,
        "served": facts.run,
        "shown": Tile.of(shop, facts.item_id, facts.title),
        "near": tiles(shop, facts.near, "cosine"),
        "together": tiles(shop, facts.together, "similarity"),
        "figures": figures(facts),
        "place": place,
        "likely_users": [] if isinstance(place, str) else readers(shop, likely_users(facts.run, place)),
        "users": 0 if dataset is None else dataset.users,
        "more": sizes(facts),
    }


def tiles(shop: Shop, found: pl.DataFrame | Missing, closeness: str) -> list[Tile] | Missing:
    """Neighbours with their rank, closeness and training events."""
    if isinstance(found, str):
        return found
    shown = []
    for row in found.iter_rows(named=True):
        words = [f"{closeness} {row[closeness]:.2f}", counted(row.get("events"))]
        note = " · ".join(filter(None, words))
        shown.append(Tile.of(shop, row["item_id"], row.get("title"), note=note, mark=row["rank"]))
    return shown


def readers(shop: Shop, found: list[LikelyUser]) -> list[tuple[LikelyUser, list[Tile]]]:
    """Users, with the covers of their latest items."""
    return [(user, [Tile.of(shop, *each) for each in user.recent]) for user in found]


def figures(facts: ItemFacts) -> list[Figure]:
    """What there is to draw over time."""
    over, ranks, dataset = facts.over_time, facts.ranks, facts.run.dataset
    if over is None or dataset is None:
        return []
    found = [events_figure(over, dataset.has_times)]
    if not isinstance(ranks, str) and len(ranks):
        span = int(over["start"][0]), int(over["stop"][-1])
        found.append(ranks_figure(ranks, span, len(facts.run.service.items), dataset.has_times))
    return found


def sizes(facts: ItemFacts) -> list[int]:
    """Larger numbers of users whose lists may be looked at."""
    dataset = facts.run.dataset
    most = 0 if dataset is None else min(most_users(facts.run.service), dataset.users)
    return sorted({size for size in (MOST, most) if facts.users < size <= most})
