"""Thumbnails of covers, which browsers keep."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from pixelrec.reports.thumbnails import encoded
from pixelrec.serving.request import TheShop

router = APIRouter()
_KEPT = "private, max-age=3600"  # seconds


@router.get("/covers")
def cover(request: Request, shop: TheShop, item: str) -> Response:
    """The cover of an item; 404 where it has none."""
    shown = [] if shop.covers is None else shop.covers.show_ids({item: ""})
    if not shown or shown[0].picture is None:
        raise HTTPException(404, f"item {item!r} has no cover here")
    assert shop.covers is not None and shop.covers.store is not None
    tag = f'"{shop.covers.store.digests([item])[0]}"'
    headers = {"Cache-Control": _KEPT, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind, data, _ = encoded(shown[0])
    return Response(data, media_type=f"image/{kind}", headers=headers)
