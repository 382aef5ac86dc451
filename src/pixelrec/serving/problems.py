"""Errors as answers, in the sentences of the command line: problem+json (RFC 9457) or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from pixelrec.errors import ExhaustedError, ImageError, PixelrecError, RequestError
from pixelrec.serving.pages.rendering import page

API = "/v1"
_STATUS: dict[type[PixelrecError], int] = {RequestError: 422, ImageError: 422, ExhaustedError: 503}
_TITLES = {
    401: "A token is missing",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    413: "Too large",
    421: "Another server",
    422: "The request cannot be answered",
    503: "The server is busy",
}
_DETAILS = {  # in place of the words of the protocol
    HTTPStatus.NOT_FOUND.phrase: "nothing is at this address; the interface is described at /v1/openapi.json",
    HTTPStatus.METHOD_NOT_ALLOWED.phrase: "this address takes another method, GET or POST",
}


def install(app: FastAPI) -> None:
    """Answers with a problem wherever a route raises."""
    app.add_exception_handler(PixelrecError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(ValidationError, _of_address)
    app.add_exception_handler(HTTPException, _of_http)


def problem(request: Request, status: int, detail: str) -> Response:
    """As the client expects it: JSON below `/v1`, else a page."""
    title = _TITLES.get(status, "The server cannot answer")
    if request.url.path.startswith(API):
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        return JSONResponse(body, status, media_type="application/problem+json")
    return page(request, "problem.html", {"title": title, "detail": detail}, status)


async def _of_ours(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    return problem(request, status, str(error))


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem(request, 422, _sentence(first, first["loc"][1:]))


async def _of_address(request: Request, error: Exception) -> Response:
    """Of a form that a route fills from the address."""
    assert isinstance(error, ValidationError)
    first = error.errors()[0]
    return problem(request, 422, _sentence(first, first["loc"]))


def _sentence(error: Mapping[str, Any], place: Sequence[int | str]) -> str:
    """The field, positions within it, and the fault; pydantic's names of types are left out of the place."""
    if error["type"] == "json_invalid":
        return f"the body is not JSON: {error['ctx']['error']}, at character {place[0]}"
    if not place:
        return "the request: expected a JSON object as the body, sent as application/json"
    fields = [place[0], *(part for part in place[1:] if isinstance(part, int))]
    return f"{'.'.join(map(str, fields))}: {error['msg']}"


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(str(error.detail), str(error.detail))
    return problem(request, error.status_code, detail)
