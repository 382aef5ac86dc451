"""The application: routes, static files and headers around a `Shop`."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from pixelrec.serving import health, problems
from pixelrec.serving.access import Access
from pixelrec.serving.engine import Engine
from pixelrec.serving.gate import Gate
from pixelrec.serving.log import Log
from pixelrec.serving.metrics import Metrics
from pixelrec.serving.pages import (
    atlas,
    covers,
    history,
    home,
    item,
    items,
    login,
    new,
    style,
    user,
    users,
    what_if,
    why,
)
from pixelrec.serving.pages.links import ServerLinks
from pixelrec.serving.request import known_parameters
from pixelrec.serving.shop import Shop
from pixelrec.serving.v1 import covers as v1_covers
from pixelrec.serving.v1 import insights, look_up, recommend, runs, similar

STATIC = Path(__file__).parent / "static"
PAGES: tuple[APIRouter, ...] = (
    home.router,
    users.router,
    user.router,
    history.router,
    items.router,
    item.router,
    new.router,
    atlas.router,
    why.router,
    what_if.router,
    covers.router,
    style.router,
    login.router,
    health.router,
)
API: tuple[APIRouter, ...] = (
    runs.router,
    recommend.router,
    similar.router,
    v1_covers.router,
    look_up.router,
    insights.router,
)


def make_app(shop: Shop, access: Access | None = None, log: Log | None = None) -> FastAPI:
    """The application of a server; `app.state.shop` is the shop. Without `access`, anybody may ask."""
    app = FastAPI(
        title="pixelrec", version="1", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json"
    )
    metrics = Metrics()
    app.state.shop, app.state.access, app.state.metrics = shop, access, metrics
    app.state.engine, app.state.links = Engine(metrics.batch), ServerLinks()
    app.add_middleware(Gate, limits=shop.limits, access=access, metrics=metrics, log=log or Log())
    problems.install(app)
    for router in API:
        app.include_router(router, prefix=problems.API, dependencies=[Depends(known_parameters)])
    for router in PAGES:
        app.include_router(router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
