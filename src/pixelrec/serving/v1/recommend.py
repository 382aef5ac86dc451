"""`/v1/recommend`: items for users, and for histories of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from pixelrec.runs.recommendations import Recommendation
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.v1.forms import PROBLEMS, Form, Id, Length, ListedItem, RunName, answer

router = APIRouter(tags=["recommend"], responses=PROBLEMS)


class _Wanted(Form):
    run: RunName = None
    k: Length = 10
    among: list[Id] | None = Field(
        default=None, description="Ids of the only items to recommend; by default all."
    )
    seen: bool = Field(
        default=False, description="Recommend items of the history again, for repeat purchases."
    )


class ForOne(_Wanted):
    """Exactly one of `user` and `history`."""

    user: Id | None = Field(default=None, description="Id of a user of the data set.", examples=["u17"])
    history: list[Id] = Field(default=[], description="Item ids, oldest first.", examples=[["i3", "i14"]])
    exclude: list[Id] = Field(default=[], description="Ids of items not to recommend.")


class ForMany(_Wanted):
    """Exactly one of `users` and `histories`."""

    users: list[Id] = Field(default=[], description="Ids of users of the data set.", examples=[["u17", "u4"]])
    histories: list[list[Id]] | dict[str, list[Id]] = Field(
        default=[], description="Item ids, oldest first: a list of lists, or lists by name."
    )
    exclude: list[Id] | list[list[Id]] = Field(
        default=[], description="Ids of items not to recommend: a list for all requests, or a list for each."
    )


class ItemList(BaseModel):
    """The best items, best first; fewer than k where no more are left."""

    run: str
    items: list[ListedItem]
    notes: list[str] = Field(description="Lines about ids that the run does not know.")


class NamedList(BaseModel):
    name: str | int | None = Field(description="The user, or the name of the history; null without one.")
    items: list[ListedItem]


class ItemLists(BaseModel):
    """A list for each request, in their order."""

    run: str
    lists: list[NamedList]
    notes: list[str]


@router.post("/recommend", response_model=ItemList)
async def recommend(wanted: ForOne, shop: TheShop, engine: TheEngine) -> Response:
    """The k best items for a user, or for a history of item ids."""
    users = [] if wanted.user is None else [wanted.user]
    histories = [wanted.history] if wanted.history else []
    shop.limits.check(k=wanted.k, ids=[wanted.history, wanted.exclude, wanted.among or ()])
    run = shop.run(wanted.run)
    found = await engine.recommend(
        run,
        users=users,
        histories=histories,
        k=wanted.k,
        among=wanted.among,
        exclude=wanted.exclude,
        seen=wanted.seen,
    )
    return answer({"run": run.name, "items": listed(found[0]), "notes": found.notes})


@router.get("/recommend", response_model=ItemList)
async def recommend_by_address(
    shop: TheShop,
    engine: TheEngine,
    user: Annotated[str | None, Query(max_length=1000)] = None,
    item: Annotated[list[str], Query(description="The history, oldest first.")] = [],  # noqa: B006
    k: Length = 10,
    seen: bool = False,
    run: str | None = None,
) -> Response:
    """The same, where all of it fits into an address."""
    return await recommend(ForOne(run=run, k=k, seen=seen, user=user, history=list(item)), shop, engine)


@router.post("/recommend/batch", response_model=ItemLists)
async def recommend_batch(wanted: ForMany, shop: TheShop, engine: TheEngine) -> Response:
    """The k best items for each of many users or histories."""
    given = wanted.histories
    lists = list(given.values()) if isinstance(given, dict) else given
    excluded: list[Any] = wanted.exclude
    own = [each for each in excluded if isinstance(each, list)]
    shop.limits.check(k=wanted.k, requests=wanted.users or lists)
    shop.limits.check(ids=[*lists, wanted.among or (), *(own or [excluded])])
    run = shop.run(wanted.run)
    found = await engine.recommend_many(
        run,
        users=wanted.users,
        histories=wanted.histories,
        k=wanted.k,
        among=wanted.among,
        exclude=wanted.exclude,
        seen=wanted.seen,
    )
    names: Sequence[str | None] = found.names or [None] * len(found)
    rows = [{"name": name, "items": listed(each)} for name, each in zip(names, found, strict=True)]
    return answer({"run": run.name, "lists": rows, "notes": found.notes})


def listed(items: Sequence[Recommendation]) -> list[dict[str, Any]]:
    return [each._asdict() for each in items]
