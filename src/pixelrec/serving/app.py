"""The application: routes, static files and headers around a `Shop`."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import RequestResponseEndpoint

from pixelrec.serving import problems
from pixelrec.serving.engine import Engine
from pixelrec.serving.pages import atlas, covers, home, item, items, style, what_if, why
from pixelrec.serving.shop import Shop
from pixelrec.serving.v1 import insights, recommend, runs

STATIC = Path(__file__).parent / "static"
PAGES: tuple[APIRouter, ...] = (
    home.router,
    items.router,
    item.router,
    atlas.router,
    why.router,
    what_if.router,
    covers.router,
    style.router,
)
API: tuple[APIRouter, ...] = (
    runs.router,
    recommend.router,
    insights.router,
)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(shop: Shop) -> FastAPI:
    """The application of a server; `app.state.shop` is the shop."""
    app = FastAPI(
        title="pixelrec", version="1", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json"
    )
    app.state.shop, app.state.engine = shop, Engine()
    app.middleware("http")(_with_headers)
    problems.install(app)
    for router in API:
        app.include_router(router, prefix=problems.API)
    for router in PAGES:
        app.include_router(router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _with_headers(request: Request, answer: RequestResponseEndpoint) -> Response:
    response = await answer(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
