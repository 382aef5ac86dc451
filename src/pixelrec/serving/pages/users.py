"""The list of users: those that a run was evaluated on, or all that it knows, or why it knows none."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pixelrec.serving.evaluated_users import EvaluatedUsers, Order, Shown
from pixelrec.serving.pages.home import missing_users
from pixelrec.serving.pages.links import AbstractLinks
from pixelrec.serving.pages.paging import Page, Part
from pixelrec.serving.pages.rendering import links_of
from pixelrec.serving.pages.rendering import page as answer
from pixelrec.serving.pages.tiles import Tile
from pixelrec.serving.pages.user_selection import Selection, TheSelection
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop
from pixelrec.serving.titles import titles_of

router = APIRouter()
AT_ONCE = 50
ORDER_NAMES: dict[Order, str] = {
    "data": "as in the data",
    "best": "best rank",
    "worst": "worst rank",
    "gain": "largest win",
    "loss": "largest loss",
    "history": "longest history",
}


@router.get("/users")
def users(request: Request, shop: TheShop, selection: TheSelection, page: Page = 1) -> HTMLResponse:
    return answer(request, "users.html", users_values(shop, selection, page, links_of(request)))


def users_values(shop: Shop, selection: Selection, page: int, links: AbstractLinks) -> dict[str, object]:
    """What the template shows."""
    run, _ = selection.runs(shop)
    common = {"selection": selection, "served": run, "chosen": run.name, "missing": missing_users(run)}
    found = selection.users(shop)
    if found is None:
        return {**common, "found": None, **_all_users(shop, run, page)}
    table = found.sorted(selection.show, selection.order)
    part = Part(len(table), AT_ONCE, page)
    rows = list(table.slice(part.start, AT_ONCE).iter_rows(named=True))
    targets = [row["item_id"] for row in rows]
    titles = titles_of(run, targets)
    tiles = {item: Tile.of(shop, item, titles.get(item)) for item in targets}
    return {
        **common,
        "found": found,
        "part": part,
        "rows": rows,
        "tiles": tiles,
        "filters": _filters(found, selection, links),
        "orders": [
            (ORDER_NAMES[name], selection.users_page(links, {"sort": name}), name == selection.order)
            for name in found.orders
        ],
    }


def _filters(
    found: EvaluatedUsers, selection: Selection, links: AbstractLinks
) -> list[tuple[str, str, bool]]:
    """With the number of users that each keeps."""
    counted = {
        name: f"{filter_name(found, name)} ({int(found.mask(name).sum()):,})" for name in found.filters
    }
    return [
        (text, selection.users_page(links, {"show": name}), name == selection.show)
        for name, text in counted.items()
    ]


def filter_name(found: EvaluatedUsers, name: Shown) -> str:
    """As in "ids better"."""
    run, other = found.run.name, "" if found.beside is None else found.beside.name
    names: dict[Shown, str] = {
        "all": "all",
        "wins": f"{run} better",
        "losses": f"{other} better",
        "hits": "hits in the top 10",
        "misses": "misses",
        "new": "next item is new",
        "rare": "next item is rare",
        "long": "long histories",
    }
    return names[name]


def _all_users(shop: Shop, run: ServedRun, page: int) -> dict[str, object]:
    if run.dataset is None:
        return {"part": None, "rows": []}
    ids, dataset = run.dataset.user_ids, run.dataset
    numbers = np.arange(len(ids))
    if shop.sample is not None:
        numbers = numbers[ids.is_in(list(shop.sample)).to_numpy()]
    part = Part(len(numbers), AT_ONCE, page)
    shown = numbers[part.start : part.start + AT_ONCE] + 1
    events = dataset.offsets[shown + 1] - dataset.offsets[shown] + dataset.evaluated[shown]
    return {"part": part, "rows": list(zip(ids.gather(shown - 1), events.tolist(), strict=True))}
