"""What if an item had another cover: its rank in the lists of users, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from io import BytesIO
from math import isfinite
from typing import Annotated, Any, final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from PIL import Image
from starlette.datastructures import UploadFile

from pixelrec.errors import RequestError
from pixelrec.images.edits import Edit, edits_of
from pixelrec.insight.pictures import picture_of
from pixelrec.insight.what_if import AS_IS, WhatIf, what_if
from pixelrec.serving.item_facts import users_looked_at
from pixelrec.serving.new_covers import pictures_by_name
from pixelrec.serving.pages.links import ServerLinks
from pixelrec.serving.pages.new import decoded
from pixelrec.serving.pages.rendering import page
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop
from pixelrec.serving.uploads import form_of

router = APIRouter()
USERS, MOVERS = 500, 5
Id = Annotated[str, Query(max_length=1000)]
Words = Annotated[str, Query(max_length=200)]


@final
@dataclass(frozen=True)
class Form:
    """What was asked for; text as it stands in the fields."""

    crop: str = ""
    blur: str = ""
    jpeg_quality: str = ""
    text: str = ""
    grey: bool = False
    pictures: str = ""  # names on the shelf, with dots between them

    @property
    def names(self) -> list[str]:
        return self.pictures.split(".") if self.pictures else []

    @property
    def edits(self) -> list[Edit]:
        """Raises `RequestError` for what is no number, or out of its range."""
        return edits_of(
            crop=_numbers(self.crop, "crop"),
            blur=_numbers(self.blur, "blur"),
            jpeg_quality=[round(each) for each in _numbers(self.jpeg_quality, "jpeg_quality")],
            text=[self.text] if self.text.strip() else [],
            grey=self.grey,
        )


EXAMPLE = Form(crop="0.8", blur="3", jpeg_quality="10", text="SALE", grey=True)


@router.get("/what-if")
async def what_if_page(
    request: Request,
    shop: TheShop,
    engine: TheEngine,
    item: Id = "",
    crop: Words = "",
    blur: Words = "",
    jpeg_quality: Words = "",
    text: Words = "",
    grey: bool = False,
    pictures: Annotated[str, Query(max_length=1000)] = "",
    run: str | None = None,
) -> Response:
    """Without a change, forms."""
    served, form = shop.run(run), Form(crop, blur, jpeg_quality, text, grey, pictures)
    values: dict[str, Any] = {"served": served, "item": item, "found": None, "obstacle": ""}
    edits = form.edits  # checked before anything is computed
    if item:
        number = served.number(item)
        title = served.service.items.to_dict().get("title")
        values["shown"] = Tile.of(shop, item, None if title is None else title[number - 1])
        try:
            found = await engine.compute(partial(_computed, shop, served, item, form))
            values |= values_of(found, form) if found else {}
        except RequestError as error:
            values["obstacle"] = str(error)
    return page(request, "what_if.html", {**values, "form": form if edits or pictures else EXAMPLE})


@router.post("/what-if")
async def send(request: Request, shop: TheShop, engine: TheEngine) -> Response:
    """Keeps the pictures of a form, and leads to what they would change."""
    form = await form_of(request, shop.limits, fields=8)
    try:
        fields = {name: str(form[name]) for name in ("run", "item") if isinstance(form.get(name), str)}
        run = shop.run(fields.get("run"))
        sent = [each for each in form.getlist("pictures") if isinstance(each, UploadFile) and each.filename]
        files = [(str(each.filename), await each.read()) for each in sent]
        pictures = await engine.compute(partial(decoded, shop, run, files))
    finally:
        await form.close()
    kept = ".".join(shop.shelf.keep(pictures))
    query = {"item": fields.get("item"), "run": run.name, "pictures": kept}
    return RedirectResponse(ServerLinks().to("what-if", query), 303)


def _computed(shop: Shop, run: ServedRun, item: str, form: Form) -> WhatIf | None:
    """None without a change, if the run takes any; else it raises `RequestError`."""
    run.encoder()
    picture_of(run.service, item)
    sent = shop.shelf.get(form.names)
    if sent is None:
        raise RequestError("the pictures are kept for some minutes only, and are gone; choose them again")
    pictures = pictures_by_name(run, [(each.name, each.data) for each in sent], shop.limits.pixels)
    if not form.edits and not pictures:
        return None
    users = min(USERS, users_looked_at(run.service, len(form.edits) + len(pictures) + 1))
    return what_if(run.service, item, edits=form.edits, pictures=pictures, users=users)


def values_of(found: WhatIf, form: Form) -> dict[str, Any]:
    """For the template: a line for each change, with the number of its picture, and who gains and loses."""
    now, *rows = found.frame.iter_rows(named=True)
    lines = [
        {
            **row,
            "edit": number - len(form.names),
            "picture": form.names[number] if number < len(form.names) else None,
            "movers": found.movers(row["change"], MOVERS),
            "moved": _moved(found, row["change"]),
        }
        for number, row in enumerate(rows)
    ]
    return {"found": found, "now": now, "lines": lines, "query": _query(form)}


def _moved(found: WhatIf, change: str) -> int:
    return int((found.users[AS_IS] != found.users[change]).sum())


def _query(form: Form) -> dict[str, str]:
    """The parameters that ask for the same changes."""
    given = {name: getattr(form, name) for name in ("crop", "blur", "jpeg_quality", "text")}
    return {name: value for name, value in given.items() if value} | ({"grey": "1"} if form.grey else {})


@router.get("/what-if/picture")
def picture(
    shop: TheShop,
    item: Id,
    edit: Annotated[int, Query(ge=0, le=100)],
    crop: Words = "",
    blur: Words = "",
    jpeg_quality: Words = "",
    text: Words = "",
    grey: bool = False,
    run: str | None = None,
) -> Response:
    """The changed cover, in the size that the model takes."""
    served, edits = shop.run(run), Form(crop, blur, jpeg_quality, text, grey).edits
    if edit >= len(edits):
        raise RequestError(f"edit is {edit}, and there are {len(edits)} changes, numbered from 0")
    served.encoder()
    file = BytesIO()
    Image.fromarray(edits[edit].apply(picture_of(served.service, item))).save(file, "PNG")
    return Response(
        file.getvalue(), media_type="image/png", headers={"Cache-Control": "private, max-age=600"}
    )


def _numbers(words: str, name: str) -> list[float]:
    """Several numbers in a field, between spaces or semicolons."""
    try:
        found = [float(word) for word in words.replace(";", " ").split()]
    except ValueError:
        raise RequestError(f"{name} is {words!r}; expected numbers, such as 0.8 0.5") from None
    if len(found) > 8 or not all(map(isfinite, found)):
        raise RequestError(f"{name} is {words!r}; expected at most 8 finite numbers")
    return found
