"""`/v1/items` and `/v1/users`: what there is, by id or by words, a part at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import numpy as np
import polars as pl
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from pixelrec.runs.recommend import RecommendationService
from pixelrec.serving.indices import Order
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.v1.forms import PROBLEMS, answer

router = APIRouter(tags=["look up"], responses=PROBLEMS)
MOST = 500  # rows of one answer

Words: TypeAlias = Annotated[
    str, Query(max_length=200, description="Words that the id or the title has, all of them.")
]
Start: TypeAlias = Annotated[int, Query(ge=0, le=2**40, description="Rows to skip: `next` of the last part.")]
Count: TypeAlias = Annotated[int, Query(ge=1, le=MOST, description="Rows, at most.")]
Ids: TypeAlias = Annotated[list[str], Query(max_length=MOST, description="These only, in this order.")]
OneRun: TypeAlias = Annotated[str | None, Query(max_length=1000, description="By default the first.")]


class ItemRow(BaseModel):
    item_id: str | int
    title: str | None
    events: int | None = Field(description="In training; null without the data set.")
    first: int | None = Field(description="Time of the first event, as in the data; null without any.")


class Items(BaseModel):
    run: str
    total: int = Field(description="Number of items that fit.")
    next: int | None = Field(description="`start` of the next part; null after the last.")
    items: list[ItemRow]


class UserRow(BaseModel):
    user_id: str | int
    events: int


class Users(BaseModel):
    run: str
    total: int
    next: int | None
    users: list[UserRow]


class Event(BaseModel):
    item_id: str | int
    title: str | None
    time: int = Field(description="Seconds since 1970, or the number of the row where the data has no times.")


class History(BaseModel):
    run: str
    user_id: str | int
    events: list[Event] = Field(description="Of items that the run knows, oldest first.")


@router.get("/items", response_model=Items)
def items(
    shop: TheShop,
    search: Words = "",
    id: Ids = [],  # noqa: A002, B006
    order: Order = "popular",
    start: Start = 0,
    count: Count = 50,
    run: OneRun = None,
) -> Response:
    """Items of a run: those with some ids, or those found by words."""
    served = shop.run(run)
    table = served.indices.items()
    if id:
        table = table[served.service.numbering.demand("item", id) - 1]
    else:
        table = served.indices.found(search, order)
    part = served.service.id_types.restored(table[start : start + count].drop("text"))
    return _part(served, len(table), start + count, "items", part)


@router.get("/users", response_model=Users)
def users(
    shop: TheShop,
    search: Annotated[str, Query(max_length=200, description="Beginning of the id.")] = "",
    start: Start = 0,
    count: Count = 50,
    run: OneRun = None,
) -> Response:
    """Users of the data set, in its order, with the number of their events."""
    served = shop.run(run)
    service, ids = served.service, served.service.user_events().dataset.user_ids
    found = (ids.str.starts_with(search)).arg_true().to_numpy() + 1
    numbers = found[start : start + count]
    past = service.user_events().requests(numbers, ()).histories
    events = (past.stops - past.starts)[1:]
    part = service.id_types.restored(pl.DataFrame({"user_id": ids.gather(numbers - 1), "events": events}))
    return _part(served, len(found), start + count, "users", part)


@router.get("/users/history", response_model=History)
def history(shop: TheShop, user: Annotated[str, Query(max_length=1000)], run: OneRun = None) -> Response:
    """The events of a user."""
    served = shop.run(run)
    service = served.service
    past = service.user_events().requests(service.user_events().users.demand("user", [user]), ()).histories
    table = titled(service, past.items).with_columns(time=pl.Series(past.times))
    named = service.id_types.restored(pl.DataFrame({"user_id": [user]}))
    return answer({"run": served.name, "user_id": named["user_id"][0], "events": table.to_dicts()})


def titled(service: RecommendationService, numbers: np.ndarray | Sequence[int]) -> pl.DataFrame:
    """`item_id` and `title` of items."""
    chosen = service.items[np.asarray(numbers, np.int64) - 1]
    title = chosen["title"] if "title" in chosen.columns else pl.Series([None] * len(chosen), dtype=pl.String)
    return service.id_types.restored(pl.DataFrame({"item_id": chosen["item_id"], "title": title}))


def _part(served: ServedRun, total: int, after: int, name: str, part: pl.DataFrame) -> Response:
    more = after if after < total else None
    return answer({"run": served.name, "total": total, "next": more, name: part.to_dicts()})
