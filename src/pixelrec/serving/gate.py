"""What every request passes: who asks, how much is sent, how long it takes; headers, figures and the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Final, final
from urllib.parse import urlencode

from fastapi import HTTPException, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixelrec.serving import problems
from pixelrec.serving.access import Access
from pixelrec.serving.limits import Limits
from pixelrec.serving.log import Log
from pixelrec.serving.metrics import Metrics

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers hide the origin of forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TOO_LARGE = "the body is too large; send at most {:,} bytes, or start the server with a larger --max-body"


@final
class Gate:
    """Wraps an application; access: none for tests of routes, which anybody may ask."""

    def __init__(
        self, app: ASGIApp, limits: Limits, access: Access | None, metrics: Metrics, log: Log
    ) -> None:
        self._app, self._limits, self._access = app, limits, access
        self._metrics, self._log = metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, passing = perf_counter(), _Passing(receive, send, self._limits.body)
        self._metrics.started()
        try:
            await self._bounded(scope, passing)
        finally:
            route, seconds = _template(scope), perf_counter() - started
            self._metrics.ended(route, passing.status, seconds)
            self._log.request(scope["method"], route, passing.status, seconds)

    async def _bounded(self, scope: Scope, passing: _Passing) -> None:
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._admitted(scope, passing)
        except TimeoutError:
            late = "the request was not complete" if passing.more else "there was no answer"
            detail = f"{late} within {self._limits.seconds:g} seconds"
            await self._problem(scope, passing, 408 if passing.more else 503, detail)
        except Exception as error:
            self._log.error(error)
            await self._problem(scope, passing, 500, "an error of pixelrec itself; the server's log has it")

    async def _admitted(self, scope: Scope, passing: _Passing) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        passing.more = length != "0" or "transfer-encoding" in headers
        refusal = self._access and self._access.refusal(scope["method"], scope["path"], headers)
        if refusal:
            await self._refuse(scope, passing, *refusal)
        elif not length.isdecimal() or len(length) > 15 or int(length) > self._limits.body:
            await self._problem(scope, passing, 413, _TOO_LARGE.format(self._limits.body))
        else:
            await self._app(scope, passing.receive, passing.send)

    async def _refuse(self, scope: Scope, passing: _Passing, status: int, detail: str) -> None:
        """People without the token get the form for it."""
        path, wanted = scope["path"], Headers(scope=scope).get("accept", "")
        if status == 401 and scope["method"] == "GET" and "text/html" in wanted:
            query = scope["query_string"].decode("latin-1")
            target = urlencode({"next": f"{path}?{query}" if query else path})
            await RedirectResponse(f"/login?{target}", 303)(scope, passing.receive, passing.send)
            return
        await self._problem(scope, passing, status, detail)

    async def _problem(self, scope: Scope, passing: _Passing, status: int, detail: str) -> None:
        if passing.status:  # an answer has begun: the connection is closed in the middle of it
            raise ConnectionAbortedError(detail)
        answer = problems.problem(Request(scope, passing.receive), status, detail)
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        await answer(scope, passing.receive, passing.send)


def _template(scope: Scope) -> str:
    """Of the route that answered, without what stands in its place in the address."""
    if "route" not in scope:
        return "/static" if scope["path"].startswith("/static/") else "unmatched"
    path: str = scope["route"].path
    below = scope["path"].startswith(f"{problems.API}/") and not path.startswith(f"{problems.API}/")
    return f"{problems.API}{path}" if below else path  # FastAPI has it with the prefix, or without


@final
@dataclass
class _Passing:
    """The messages of one request: the body is counted, and the answer gets its headers."""

    _receive: Receive
    _send: Send
    _most: int  # bytes of the body
    more: bool = False  # the body is not complete
    status: int = 0  # of the answer, once it has begun
    _bytes: int = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.more = message.get("more_body", False)
            self._bytes += len(message.get("body", b""))
            if self._bytes > self._most:
                raise HTTPException(413, _TOO_LARGE.format(self._most))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self.more:  # else the server would read the rest of the body, however long that takes
                headers["Connection"] = "close"
        await self._send(message)
