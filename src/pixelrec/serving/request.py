"""What requests share, as parameters of routes."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from pixelrec.serving.engine import Engine
from pixelrec.serving.shop import Shop


async def _shop(request: Request) -> Shop:
    found: Shop = request.app.state.shop
    return found


async def _engine(request: Request) -> Engine:
    found: Engine = request.app.state.engine
    return found


# Coroutines, as FastAPI would call plain functions in another thread.
TheShop: TypeAlias = Annotated[Shop, Depends(_shop)]
TheEngine: TypeAlias = Annotated[Engine, Depends(_engine)]
