"""The first page: the runs, their data and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pixelrec.serving.pages.rendering import page
from pixelrec.serving.request import TheShop

router = APIRouter()


@router.get("/")
def home(request: Request, shop: TheShop) -> HTMLResponse:
    return page(request, "home.html", {"runs": list(shop.runs.values())})
