"""Running the application until it is stopped."""

from __future__ import annotations

import asyncio
import socket
from typing import final

import uvicorn

from pixelrec.console.progress import OnProgress
from pixelrec.errors import RequestError, option
from pixelrec.serving.app import make_app
from pixelrec.serving.shop import Shop


def listening(host: str, port: int) -> socket.socket:
    """A socket at which connections wait; raises `RequestError` if it cannot be had."""
    try:
        return socket.create_server((host, port), backlog=1024)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(
            f"cannot listen on {host}, port {port}: {reason}; choose another with {option('port', 8001)}"
        ) from None


def run(shop: Shop, at: socket.socket, on_started: OnProgress) -> None:
    """Answers requests until Ctrl-C or SIGTERM; `on_started` gets the address."""
    config = uvicorn.Config(make_app(shop), log_level="warning", access_log=False, lifespan="off")
    host, port = at.getsockname()[:2]
    asyncio.run(_Server(config, f"http://{host}:{port}", on_started).serve(sockets=[at]))


@final
class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, address: str, on_started: OnProgress) -> None:
        super().__init__(config)
        self._address, self._on_started = address, on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started(self._address)
