"""The form for the token, which sets a cookie for the pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from pixelrec.serving.access import COOKIE, Access
from pixelrec.serving.pages.rendering import page

router = APIRouter()
_DAYS = 30


@router.get("/login")
def form(request: Request, next: Annotated[str, Query(max_length=4000)] = "/") -> Response:  # noqa: A002
    return page(request, "login.html", {"next": _local(next), "wrong": False})


@router.post("/login")
async def login(
    request: Request,
    token: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=4000)] = "/",  # noqa: A002
) -> Response:
    access: Access | None = request.app.state.access
    if access is None or not access.is_token(token):
        return page(request, "login.html", {"next": _local(next), "wrong": True}, 401)
    answer = RedirectResponse(_local(next), 303)
    answer.set_cookie(
        COOKIE,
        access.session,
        max_age=_DAYS * 24 * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _local(address: str) -> str:
    """An address of this server; the first page for any other."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and "\\" not in address else "/"
