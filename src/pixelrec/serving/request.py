"""What requests share, as parameters of routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias, get_origin

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from pixelrec.errors import RequestError, nearest
from pixelrec.serving.engine import Engine
from pixelrec.serving.shop import Shop


async def _shop(request: Request) -> Shop:
    found: Shop = request.app.state.shop
    return found


async def _engine(request: Request) -> Engine:
    found: Engine = request.app.state.engine
    return found


async def known_parameters(request: Request) -> None:
    """Raises `RequestError` for a parameter of the address that the route does not have, or has once."""
    if not request.query_params:
        return
    known = {each.alias: each for each in _parameters(request.scope["route"].dependant)}
    for name in request.query_params:
        if name not in known:
            hint = nearest(name, known) if known else "it takes none"
            raise RequestError(f"there is no parameter {name[:100]!r} in this address; {hint}")
        if (
            len(request.query_params.getlist(name)) > 1
            and get_origin(known[name].field_info.annotation) is not list
        ):
            raise RequestError(f"{name} is given several times; give it once")


def _parameters(route: Dependant) -> Iterator[Any]:
    """Those in addresses, of a route and of what it depends on."""
    yield from route.query_params
    for each in route.dependencies:
        yield from _parameters(each)


# Coroutines, as FastAPI would call plain functions in another thread.
TheShop: TypeAlias = Annotated[Shop, Depends(_shop)]
TheEngine: TypeAlias = Annotated[Engine, Depends(_engine)]
