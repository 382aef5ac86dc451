"""The style sheet: that of the reports, and what only pages of the server need."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response

from pixelrec.reports import page

router = APIRouter()
OWN = Path(__file__).parents[1] / "static" / "pages.css"


@cache
def style() -> str:
    return (page.HERE / "page.css").read_text(encoding="utf-8") + OWN.read_text(encoding="utf-8")


@router.get("/static/shop.css")
def style_sheet() -> Response:
    return Response(style(), media_type="text/css", headers={"Cache-Control": "private, max-age=3600"})
