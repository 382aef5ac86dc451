"""Why a run recommends an item: the events that carry it, and an estimate of where on its cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, final

from fastapi import APIRouter, Query, Request, Response

from pixelrec.choices import Split
from pixelrec.errors import RequestError
from pixelrec.insight.leave_one_out import Explanation, best_of, leave_one_out
from pixelrec.insight.occlusion import OcclusionMap, occlusion_map
from pixelrec.insight.past import past_of
from pixelrec.runs.histories import Requests
from pixelrec.serving.pages.rendering import page
from pixelrec.serving.pages.style import SHARES
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.request import TheEngine, TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop
from pixelrec.serving.titles import titles_of

router = APIRouter()
OTHERS = 10  # recommended items to choose from
LEVELS = 5  # of colour, on either side of none
Id = Annotated[str, Query(max_length=1000)]


@final
@dataclass(frozen=True)
class Reasons:
    """What the page shows."""

    best: list[tuple[str, str | None]]  # ids and titles
    found: Explanation
    where: OcclusionMap | str | None  # or why there is none; none: it was not asked for


@final
@dataclass(frozen=True)
class EventLine:
    """An event of the history."""

    tile: Tile
    number: int  # 1 is the latest
    change: float
    share: int  # of the strongest change: 0 … SHARES
    rank: int  # of the item without the event


@router.get("/why")
async def why(
    request: Request,
    shop: TheShop,
    engine: TheEngine,
    user: Id | None = None,
    item: Id | None = None,
    history: Annotated[list[Id], Query()] = [],  # noqa: B006
    before: Split | None = None,
    run: str | None = None,
    where: bool = False,
) -> Response:
    """Without an item, that of the best one; without a user or a history, a form."""
    served = shop.run(run)
    shop.limits.check(ids=[history])
    user, past = user or None, [each for each in history if each]
    values = {"served": served, "user": user, "history": past, "before": before}
    if user is None and not past:
        return page(request, "why.html", {**values, "found": None})
    reasons = await engine.compute(partial(reasons_of, served, user, past, before, item, where))
    return page(request, "why.html", {**values, **values_of(shop, reasons)})


def reasons_of(
    run: ServedRun,
    user: str | None,
    history: Sequence[str],
    before: Split | None,
    item: str | None,
    where: bool,
) -> Reasons:
    past = past_of(run.service, user=user, history=history, before=before)
    best = best_of(run.service, past, OTHERS)
    if not best:
        raise RequestError("nothing is left to recommend: the history holds every item")
    chosen, titles = item or best[0], titles_of(run, best)
    (found,) = leave_one_out(run.service, past, [chosen])
    return Reasons(
        [(each, titles.get(each)) for each in best], found, _where(run, past, chosen) if where else None
    )


def _where(run: ServedRun, past: Requests, item: str) -> OcclusionMap | str:
    try:
        run.encoder()
        return occlusion_map(run.service, past, item)
    except RequestError as error:
        return str(error)


def values_of(shop: Shop, reasons: Reasons) -> dict[str, Any]:
    """For the template."""
    found, where = reasons.found, reasons.where
    largest = max([1e-30, *found.frame["score_change"].abs()])
    lines = [
        EventLine(
            Tile.of(shop, row["item_id"], row.get("title")),
            row["event"],
            row["score_change"],
            round(abs(row["score_change"]) / largest * SHARES),
            row["rank"],
        )
        for row in found.frame.sort("score_change", descending=True, maintain_order=True).iter_rows(
            named=True
        )
    ]
    return {
        "found": found,
        "best": reasons.best,
        "shown": Tile.of(shop, found.item_id, found.title, mark=found.rank),
        "lines": lines,
        "where": where if isinstance(where, OcclusionMap) else None,
        "nowhere": where if isinstance(where, str) else "",
        "levels": levels_of(where) if isinstance(where, OcclusionMap) else [],
    }


def levels_of(found: OcclusionMap) -> list[list[tuple[int, float]]]:
    """The colour, −LEVELS … LEVELS, and the change of each part, in rows."""
    largest = max(float(abs(found.changes).max()), 1e-30)
    return [[(round(change / largest * LEVELS), change) for change in row] for row in found.changes.tolist()]
