"""The style sheet: that of the reports, and what only pages of the server need."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response

from pixelrec.reports import page
from pixelrec.serving.pages.tiles import HUES
from pixelrec.serving.request import TheShop

router = APIRouter()
OWN = Path(__file__).parents[1] / "static" / "pages.css"
SHARES, MOST_METRICS = 20, 12  # steps of the bars in tables; columns of a table


@cache
def style(aspect: float) -> str:
    """aspect: of the tiles, width / height. Values that reports set inline are classes here."""
    values = [
        f":root {{ --aspect: {aspect}; }}",
        *(f".hue-{n} {{ --hue: {n * 360 // HUES}; }}" for n in range(HUES)),
        *(f".share-{n} {{ --share: {n / SHARES}; }}" for n in range(SHARES + 1)),
        *(f".columns-{n} {{ --metrics: {n}; }}" for n in range(1, MOST_METRICS + 1)),
    ]
    sheets = (page.HERE / "page.css").read_text(encoding="utf-8"), OWN.read_text(encoding="utf-8")
    return "\n".join([*sheets, *values, ""])


@router.get("/static/shop.css")
def style_sheet(shop: TheShop) -> Response:
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(style(shop.aspect), media_type="text/css", headers=headers)
