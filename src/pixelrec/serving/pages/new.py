"""New covers: a form for pictures, and what a run makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData, UploadFile

from pixelrec.errors import ImageError, PixelrecError, RequestError
from pixelrec.serving.item_facts import likely_users
from pixelrec.serving.new_covers import ESTABLISHED, NewCovers, refusal
from pixelrec.serving.pages.item import readers, tiles
from pixelrec.serving.pages.links import ServerLinks
from pixelrec.serving.pages.rendering import page
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shelf import Picture
from pixelrec.serving.shop import Shop
from pixelrec.serving.uploads import form_of

router = APIRouter()
NEAR, LISTED = 10, 10  # neighbours, and items of a list
Text: TypeAlias = Annotated[str, Query(max_length=5000)]
_FIELDS = ("run", "user", "history")


@router.get("/new")
async def new(
    request: Request,
    shop: TheShop,
    engine: TheEngine,
    run: str | None = None,
    pictures: Text = "",
    user: Text = "",
    history: Text = "",
) -> Response:
    """pictures: names on the shelf, with dots between them."""
    fields = {"run": shop.run(run).name, "user": user.strip(), "history": history, "pictures": pictures}
    return await engine.compute(partial(_shown, request, shop, fields))


def _shown(request: Request, shop: Shop, fields: Mapping[str, str]) -> Response:
    run, names = shop.runs[fields["run"]], fields["pictures"].split(".") if fields["pictures"] else []
    found, without = shop.shelf.get(names), {**fields, "pictures": ""}
    if found is None:
        minutes = round(shop.shelf.seconds / 60)
        gone = f"the pictures are gone: they are kept for {minutes} minutes at most; choose them again"
        return _form(request, shop, run, without, problem=gone, status=410)
    if not found:
        return _form(request, shop, run, without)
    try:
        covers = NewCovers.of(run, found, shop.limits.pixels)
    except PixelrecError as error:
        return _form(request, shop, run, without, problem=str(error), status=422)
    listed = list_of(shop, covers, names, fields["user"], fields["history"])
    return _form(request, shop, run, fields, covers=values_of(shop, covers, found, names), listed=listed)


@router.post("/new")
async def send(request: Request, shop: TheShop, engine: TheEngine) -> Response:
    """Keeps the pictures of a form, and leads to what a run makes of them."""
    form, fields = FormData(), dict.fromkeys(_FIELDS, "")
    try:
        form = await form_of(request, shop.limits, fields=len(_FIELDS) + 5)
        fields |= {name: str(form[name]) for name in _FIELDS if isinstance(form.get(name), str)}
        run = shop.run(fields["run"] or None)
        sent = [each for each in form.getlist("pictures") if isinstance(each, UploadFile) and each.filename]
        files = [(str(each.filename), await each.read()) for each in sent]
        # One after the other, as a picture may take hundreds of megabytes while it is decoded.
        pictures = await engine.compute(partial(decoded, shop, run, files))
    except (RequestError, ImageError) as error:
        run, problem = shop.runs.get(fields["run"], shop.first), str(error)
        return await engine.compute(partial(_form, request, shop, run, fields, problem=problem, status=422))
    finally:
        await form.close()
    kept = {**fields, "run": run.name, "pictures": ".".join(shop.shelf.keep(pictures))}
    return RedirectResponse(ServerLinks().to("new", {key: value or None for key, value in kept.items()}), 303)


@router.get("/new/picture")
def picture(shop: TheShop, name: str) -> Response:
    """The thumbnail of a picture on the shelf."""
    found = shop.shelf.get([name])
    if not found:
        raise HTTPException(404, "this picture is not kept any more")
    return Response(
        found[0].thumbnail, media_type=f"image/{found[0].kind}", headers={"Cache-Control": "no-store"}
    )


def values_of(
    shop: Shop, covers: NewCovers, pictures: Sequence[Picture], kept: Sequence[str]
) -> list[dict[str, Any]]:
    """What a run makes of each picture, for the template."""
    near, leaned_on, places = covers.near(NEAR), covers.leaned_on(NEAR), covers.places
    found = []
    for number, (name, picture, key) in enumerate(zip(covers.names, pictures, kept, strict=True)):
        place = places if isinstance(places, str) else places[number]
        closest, borrowed = (each.filter(query=name).drop("query") for each in (near, leaned_on))
        found.append(
            {
                "name": name,
                "picture": picture,
                "address": _address(key),
                "near": tiles(shop, closest, "cosine"),
                "leaned_on": tiles(shop, borrowed, "cosine"),
                "same": closest["item_id"].equals(borrowed["item_id"]),
                "place": place,
                "likely": [] if isinstance(place, str) else readers(shop, likely_users(covers.run, place)),
            }
        )
    return found


def list_of(
    shop: Shop, covers: NewCovers, kept: Sequence[str], user: str, history: str
) -> dict[str, Any] | str | None:
    """The list of a user or of a history, with the new covers in it; or why there is none."""
    ids = [word.strip() for word in re.split(r"[\n,]", history) if word.strip()]
    if not user and not ids:
        return None
    try:
        shop.limits.check(ids=[ids])
        found = covers.in_list(user, ids, LISTED)
    except RequestError as error:
        return str(error)
    address = dict(zip(covers.names, map(_address, kept), strict=True))
    shown = [
        (address.get(str(each.item_id)), Tile.of(shop, each.item_id, each.title, mark=each.rank))
        for each in found.best
    ]
    return {"shown": shown, "ranks": found.ranks, "notes": found.notes}


def _address(kept: str) -> str:
    return ServerLinks().to("new/picture", {"name": kept})


def _form(
    request: Request,
    shop: Shop,
    run: ServedRun,
    fields: Mapping[str, str],
    problem: str | None = None,
    status: int = 200,
    covers: Sequence[dict[str, Any]] = (),
    listed: dict[str, Any] | str | None = None,
) -> Response:
    users = 0 if run.dataset is None else run.dataset.users
    values = {
        "served": run,
        "chosen": run.name,
        "fields": {"pictures": "", **fields},
        "problem": problem,
        "refusal": refusal(run),
        "covers": covers,
        "listed": listed,
        "users": users,
        "limits": shop.limits,
        "minutes": round(shop.shelf.seconds / 60),
        "established": ESTABLISHED,
    }
    return page(request, "new.html", values, status)


def decoded(shop: Shop, run: ServedRun, files: Sequence[tuple[str, bytes]]) -> list[Picture]:
    """Raises `RequestError` where the run takes no pictures or none came, and `ImageError` for a bad one."""
    if why := refusal(run):
        raise RequestError(why)
    if not files:
        raise RequestError("no picture came; choose one or several files")
    return [Picture.of(name, data, shop.limits.pixels) for name, data in files]
