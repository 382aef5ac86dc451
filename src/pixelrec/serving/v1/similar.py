"""`/v1/similar`, `/v1/vectors` and `/v1/audience`: what is near an item, its vector, and who would get it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import polars as pl
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from pixelrec.insight.audience import Audience
from pixelrec.insight.item_place import ItemPlace, place_of
from pixelrec.insight.neighbours import item_vectors, nearest_by_vector
from pixelrec.runs.recommend import RecommendationService
from pixelrec.serving.item_facts import users_looked_at
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.v1.forms import PROBLEMS, Form, Id, Length, RunName, answer

router = APIRouter(tags=["items"], responses=PROBLEMS)
By: TypeAlias = Literal["vector", "behaviour"]
FEW = 16  # items whose places in the lists of users are looked up for one answer
Item: TypeAlias = Annotated[list[str], Query(description="Ids of items.")]


class OfItems(Form):
    run: RunName = None
    items: list[Id] = Field(min_length=1, examples=[["i3", "i14"]])


class ToCompare(OfItems):
    k: Length = 20
    by: By = Field(
        default="vector",
        description="The cosine of the vectors of the model, or of the users whom items have in common.",
    )


class ToPlace(OfItems):
    items: list[Id] = Field(min_length=1, max_length=FEW)
    k: Length = 20


class Neighbour(BaseModel):
    item_id: str | int
    title: str | None
    rank: int = Field(description="1 is the nearest.")
    similarity: float
    events: int | None = Field(description="In training; null without the data set.")


class Neighbours(BaseModel):
    item_id: str | int
    items: list[Neighbour]


class NeighbourLists(BaseModel):
    run: str
    lists: list[Neighbours]


class ItemVector(BaseModel):
    item_id: str | int
    vector: list[float]


class Vectors(BaseModel):
    """Vectors that those of users are compared with by their dot product."""

    run: str
    width: int
    vectors: list[ItemVector]


class LikelyUser(BaseModel):
    user_id: str | int
    rank: int = Field(description="Of the item in the list of this user.")
    score: float


class Place(BaseModel):
    """Shares are fractions of the users who do not have the item; null where there are none."""

    item_id: str | int
    median_rank: float | None
    top_10: float | None
    top_50: float | None
    users: int = Field(description="Users whose lists were looked at and who do not have the item.")
    owners: int = Field(description="Further users, who have it.")
    items: int = Field(description="Number of items that are ranked.")
    likely: list[LikelyUser]


class Places(BaseModel):
    run: str
    places: list[Place]


@router.post("/similar", response_model=NeighbourLists)
def similar(wanted: ToCompare, shop: TheShop) -> Response:
    """The k nearest items of some items, the nearest first."""
    shop.limits.check(k=wanted.k, requests=wanted.items)
    run, ids = shop.run(wanted.run), list(map(str, wanted.items))
    if wanted.by == "behaviour":
        behaviour = run.indices.behaviour()
        found = [(item, behaviour.nearest(item, wanted.k)) for item in ids]
    else:
        table = near(run, run.service, ids, wanted.k)
        found = [(item, table.filter(pl.col("query") == item)) for item in ids]
    return answer({"run": run.name, "lists": [neighbours(run.service, *each) for each in found]})


@router.get("/similar", response_model=NeighbourLists)
def similar_by_address(
    shop: TheShop, item: Item, k: Length = 20, by: By = "vector", run: str | None = None
) -> Response:
    """The same, where all of it fits into an address."""
    return similar(ToCompare(run=run, items=list(item), k=k, by=by), shop)


@router.post("/vectors", response_model=Vectors)
def vectors(wanted: OfItems, shop: TheShop) -> Response:
    """The vectors of some items."""
    shop.limits.check(requests=wanted.items)
    run, ids = shop.run(wanted.run), list(map(str, wanted.items))
    return answer(vectors_of(run, run.service, ids))


@router.get("/vectors", response_model=Vectors)
def vectors_by_address(shop: TheShop, item: Item, run: str | None = None) -> Response:
    """The same, where all of it fits into an address."""
    return vectors(OfItems(run=run, items=list(item)), shop)


@router.post("/audience", response_model=Places)
async def audience(wanted: ToPlace, shop: TheShop, engine: TheEngine) -> Response:
    """The ranks of items in the lists of users, and the k users in whose lists each stands highest.

    Of many users, some thousands are looked at, the same ones each time.
    """
    shop.limits.check(k=wanted.k, requests=wanted.items)
    run = shop.run(wanted.run)
    found = await engine.compute(partial(_places, run.service, list(map(str, wanted.items))))
    return answer(places_of(run, run.service, found, wanted.k))


@router.get("/audience", response_model=Places)
async def audience_by_address(
    shop: TheShop, engine: TheEngine, item: Item, k: Length = 20, run: str | None = None
) -> Response:
    """The same, where all of it fits into an address."""
    return await audience(ToPlace(run=run, items=list(item), k=k), shop, engine)


def near(run: ServedRun, service: RecommendationService, ids: Sequence[str], k: int) -> pl.DataFrame:
    """The neighbours of items of a service, perhaps with new covers, among those of the run."""
    counts = run.counts if service.own is not None else None
    return nearest_by_vector(service, ids, k, counts=counts, among=run.indices.unit_vectors())


def neighbours(service: RecommendationService, item: str, found: pl.DataFrame) -> dict[str, Any]:
    table = found.rename({"cosine": "similarity"}, strict=False)
    for absent in {"title", "events"} - set(table.columns):
        table = table.with_columns(pl.lit(None).alias(absent))
    table = service.id_types.restored(table.select("item_id", "title", "rank", "similarity", "events"))
    return {"item_id": restored(service, "item_id", [item])[0], "items": table.to_dicts()}


def vectors_of(run: ServedRun, service: RecommendationService, ids: Sequence[str]) -> dict[str, Any]:
    table = item_vectors(service, ids).tolist()
    named = zip(restored(service, "item_id", ids), table, strict=True)
    rows = [{"item_id": item, "vector": vector} for item, vector in named]
    return {"run": run.name, "width": len(table[0]), "vectors": rows}


def places_of(
    run: ServedRun, service: RecommendationService, found: Sequence[ItemPlace], k: int
) -> dict[str, Any]:
    rows = []
    for each in found:
        likely = service.id_types.restored(each.likely(k)).to_dicts()
        item = restored(service, "item_id", [each.item_id])[0]
        rows.append({**each.to_dict(k), "item_id": item, "likely": likely})
    return {"run": run.name, "places": rows}


def _places(service: RecommendationService, ids: list[str]) -> list[ItemPlace]:
    return place_of(Audience.of(service, users_looked_at(service, len(ids))), ids)


def restored(service: RecommendationService, column: str, ids: Sequence[str]) -> list[str | int]:
    """Ids as they are in the files of the data set."""
    return service.id_types.restored(pl.DataFrame({column: list(ids)}))[column].to_list()
