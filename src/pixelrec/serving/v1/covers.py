"""`/v1/covers`: what a run makes of pictures that are not in the catalogue."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, TypeAlias

import polars as pl
from fastapi import APIRouter, Depends, Query, Request, Response

from pixelrec.errors import RequestError
from pixelrec.serving.new_covers import NewCovers
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.uploads import pictures_of
from pixelrec.serving.v1.forms import PROBLEMS, answer
from pixelrec.serving.v1.recommend import ItemList, listed
from pixelrec.serving.v1.similar import (
    NeighbourLists,
    Places,
    Vectors,
    near,
    neighbours,
    places_of,
    vectors_of,
)

router = APIRouter(prefix="/covers", tags=["new covers"], responses=PROBLEMS)
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_FILES = {"type": "array", "items": _PICTURE["schema"]}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One picture as it is, or several files in a form; their names become ids.",
        "content": {
            "image/*": _PICTURE,
            "multipart/form-data": {"schema": {"type": "object", "properties": {"cover": _FILES}}},
        },
    }
}


async def _covers(
    request: Request,
    shop: TheShop,
    engine: TheEngine,
    run: Annotated[str | None, Query(max_length=1000)] = None,
    name: Annotated[str, Query(max_length=200, description="Id of the one picture.")] = "new",
) -> NewCovers:
    served, files = shop.run(run), await pictures_of(request, shop.limits, name)
    return await engine.covers(served, files, shop.limits.pixels)


Covers: TypeAlias = Annotated[NewCovers, Depends(_covers)]
Length: TypeAlias = Annotated[int, Query(ge=1, description="Number of items in a list.")]


@router.post("/recommend", response_model=ItemList, openapi_extra=BODY)
async def recommend(
    covers: Covers,
    shop: TheShop,
    engine: TheEngine,
    user: Annotated[str | None, Query(max_length=1000)] = None,
    item: Annotated[list[str], Query(description="The history, oldest first.")] = [],  # noqa: B006
    k: Length = 10,
    alone: Annotated[bool, Query(description="Only the new covers, all of them.")] = False,
    seen: bool = False,
) -> Response:
    """The k best items for a user, or for a history, with new covers among the catalogue or alone."""
    shop.limits.check(k=k, ids=[item])
    histories = [list(item)] if item else []
    if (user is None) == (not item):
        raise RequestError("give a user, or a history of item ids (item): exactly one of the two")
    form: dict[str, Any] = {"users": [user] if user else [], "histories": histories}
    call = partial(covers.service.recommend, **form, k=k, alone=alone, seen=seen)
    found = await engine.with_covers(call)
    return answer({"run": covers.run.name, "items": listed(found[0]), "notes": found.notes})


@router.post("/similar", response_model=NeighbourLists, openapi_extra=BODY)
async def similar(covers: Covers, shop: TheShop, engine: TheEngine, k: Length = 20) -> Response:
    """The k items of the catalogue that are nearest to each picture, by the cosine of their vectors."""
    shop.limits.check(k=k)
    table = await engine.with_covers(partial(near, covers.run, covers.service, covers.names, k))
    found = [(item, table.filter(pl.col("query") == item)) for item in covers.names]
    return answer({"run": covers.run.name, "lists": [neighbours(covers.service, *each) for each in found]})


@router.post("/vectors", response_model=Vectors, openapi_extra=BODY)
async def vectors(covers: Covers) -> Response:
    """The vectors that the model gives the pictures."""
    return answer(vectors_of(covers.run, covers.service, covers.names))


@router.post("/audience", response_model=Places, openapi_extra=BODY)
async def audience(covers: Covers, shop: TheShop, engine: TheEngine, k: Length = 20) -> Response:
    """The ranks of each picture in the lists of users, and the k users in whose lists it stands highest."""
    shop.limits.check(k=k)
    found = await engine.with_covers(lambda: covers.places)
    if isinstance(found, str):
        raise RequestError(found)
    return answer(places_of(covers.run, covers.service, found, k))
