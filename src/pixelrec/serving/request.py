"""The shop of a request, as a parameter of routes."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from pixelrec.serving.shop import Shop


def _shop(request: Request) -> Shop:
    found: Shop = request.app.state.shop
    return found


TheShop: TypeAlias = Annotated[Shop, Depends(_shop)]
