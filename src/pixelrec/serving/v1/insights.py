"""`/v1/explain` and `/v1/what-if`: why an item is recommended, and what another cover would change."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from pixelrec.choices import Split
from pixelrec.images.edits import Edit, edits_of
from pixelrec.insight.leave_one_out import Explanation, explanations
from pixelrec.insight.occlusion import Fill, OcclusionMap, occlusion_map
from pixelrec.insight.past import past_of
from pixelrec.insight.what_if import CHANGES, WhatIf, what_if
from pixelrec.runs.histories import Requests
from pixelrec.serving.item_facts import most_users, users_looked_at
from pixelrec.serving.new_covers import pictures_by_name
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.uploads import pictures_of
from pixelrec.serving.v1.covers import BODY
from pixelrec.serving.v1.forms import PROBLEMS, Form, Id, RunName, answer

router = APIRouter(tags=["why and what if"], responses=PROBLEMS)
FEW = 10  # items that are explained in one answer
Users = Annotated[
    int | None,
    Field(
        ge=1, description="Users looked at, as far as that takes some seconds only; of more, some are drawn."
    ),
]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Few = Annotated[list[float], Field(max_length=CHANGES)]


class _OfSomebody(Form):
    """Exactly one of `user` and `history`."""

    run: RunName = None
    user: Id | None = Field(default=None, description="Id of a user of the data set.", examples=["u17"])
    history: list[Id] = Field(default=[], description="Item ids, oldest first.")
    before: Split | None = Field(
        default=None, description="Only the events of the user before the test or validation event."
    )

    def past(self, run: ServedRun) -> Requests:
        user, history = None if self.user is None else str(self.user), list(map(str, self.history))
        return past_of(run.service, user=user, history=history, before=self.before)


class ToExplain(_OfSomebody):
    items: list[Id] = Field(default=[], max_length=FEW, description="Item ids; by default the k best.")
    k: int = Field(default=3, ge=1, le=FEW, description="Number of recommended items to explain.")
    latest: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Events left out in turn; by default those that the model sees.",
    )


class LeftOut(BaseModel):
    """An event, and the item without it; changes are positive where the event speaks for the item."""

    event: int = Field(description="1 is the latest.")
    item_id: str
    title: str | None = None
    score: float
    score_change: float
    rank: int
    rank_change: int


class ItemReasons(BaseModel):
    item_id: str
    title: str | None
    rank: int
    score: float
    items: int = Field(description="Number of items that are ranked.")
    events: list[LeftOut] = Field(description="The latest first.")


class Explained(BaseModel):
    run: str
    explanations: list[ItemReasons]
    notes: list[str]


@router.post("/explain", response_model=Explained)
async def explain(wanted: ToExplain, shop: TheShop, engine: TheEngine) -> Response:
    """The score and the rank of items without each event of a history: exact."""
    shop.limits.check(ids=[wanted.history])
    run, items = shop.run(wanted.run), [str(item) for item in wanted.items]

    def compute() -> list[Explanation]:
        return explanations(run.service, wanted.past(run), items, k=wanted.k, latest=wanted.latest)

    found = await engine.compute(compute)
    listed = [each.to_dict() for each in found]
    return answer({"run": run.name, "explanations": listed, "notes": found[0].notes})


class ToMap(_OfSomebody):
    item: Id
    cells: int = Field(default=7, ge=1, le=16, description="Parts along each side.")
    fill: Fill = Field(default="mean", description="What covers a part.")


class Mapped(BaseModel):
    """An estimate: a covered picture is none that the model was trained with."""

    run: str
    estimate: bool
    score: float
    fill: str
    part_pixels: int
    score_changes: list[list[float]] = Field(description="Rows; positive where the part speaks for the item.")


@router.post("/explain/picture", response_model=Mapped)
async def explain_picture(wanted: ToMap, shop: TheShop, engine: TheEngine) -> Response:
    """An estimate of where the cover of an item speaks for it, after the history of somebody."""
    shop.limits.check(ids=[wanted.history])
    run = shop.run(wanted.run)
    found = await engine.compute(partial(_mapped, run, wanted))
    return answer({"run": run.name, **found.to_dict()})


def _mapped(run: ServedRun, wanted: ToMap) -> OcclusionMap:
    run.encoder()
    past = wanted.past(run)
    return occlusion_map(run.service, past, str(wanted.item), cells=wanted.cells, fill=wanted.fill)


class ToChange(Form):
    run: RunName = None
    item: Id
    crop: Few = Field(default=[], description="Parts of each side that are kept, around the middle.")
    blur: Few = Field(default=[], description="Gaussian blurs, in percent of a side.")
    jpeg_quality: list[int] = Field(default=[], max_length=CHANGES)
    text: list[str] = Field(default=[], max_length=CHANGES, description="Words on a band at the foot.")
    grey: bool = False
    users: Users = None
    seed: Seed = 0

    @property
    def edits(self) -> list[Edit]:
        return edits_of(
            crop=self.crop, blur=self.blur, jpeg_quality=self.jpeg_quality, text=self.text, grey=self.grey
        )


class Change(BaseModel):
    """Shares of users are fractions; `rise` is the mean number of places, with its 95 % interval."""

    change: str
    median: float | None
    top_10: float | None
    top_50: float | None
    rise: float | None
    low: float | None
    high: float | None
    up: float | None
    down: float | None


class Moved(BaseModel):
    user_id: str
    rank_before: int
    rank_after: int
    rise: int


class Changed(BaseModel):
    run: str
    item_id: str
    users: int
    owners: int = Field(description="Further users, who have the item already.")
    changes: list[Change] = Field(description="First the cover as it is.")
    movers: dict[str, dict[str, list[Moved]]] = Field(description="By change: `up` and `down`.")


@router.post("/what-if", response_model=Changed)
async def change(wanted: ToChange, shop: TheShop, engine: TheEngine) -> Response:
    """The exact rank of an item over users with changed covers, each on its own."""
    run, edits = shop.run(wanted.run), wanted.edits
    found = await engine.compute(partial(_changed, run, wanted, edits))
    return answer({"run": run.name, **found.to_dict()})


@router.post("/what-if/covers", response_model=Changed, openapi_extra=BODY)
async def other_covers(
    request: Request,
    shop: TheShop,
    engine: TheEngine,
    item: Annotated[str, Query(max_length=1000)],
    run: Annotated[str | None, Query(max_length=1000)] = None,
    name: Annotated[str, Query(max_length=200, description="Of the one picture.")] = "new",
    users: Users = None,
    seed: Seed = 0,
) -> Response:
    """The exact rank of an item over users with other covers, pictures in the body, each on its own."""
    served, files = shop.run(run), await pictures_of(request, shop.limits, name)

    def compute() -> WhatIf:
        pictures = pictures_by_name(served, files, shop.limits.pixels)
        most = _affordable(served, users, len(pictures) + 1)
        return what_if(served.service, item, pictures=pictures, users=most, seed=seed)

    found = await engine.compute(compute)
    return answer({"run": served.name, **found.to_dict()})


def _changed(run: ServedRun, wanted: ToChange, edits: list[Edit]) -> WhatIf:
    run.encoder()
    users = _affordable(run, wanted.users, len(edits) + 1)
    return what_if(run.service, str(wanted.item), edits=edits, users=users, seed=wanted.seed)


def _affordable(run: ServedRun, users: int | None, items: int) -> int:
    """Users looked at for some items."""
    if users is None:
        return users_looked_at(run.service, items)
    return min(users, max(1, most_users(run.service) // items))
